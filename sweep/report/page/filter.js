// Which experiments are looked at: choices of settings, and a line of conditions and words.

const FILTER_CHOICES = 60; // settings with more values are filtered by the line

/** Conditions (`clusters.beta_dust>=100`, `solver=newton`, `r_upper_68<0.001`) and words. */
function parseQuery(report, text) {
  const tests = [];
  const unknown = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const parts = /^([\w.]+)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
    if (!parts) {
      const wanted = word.toLowerCase();
      tests.push((i) => searched(report, i).includes(wanted));
      continue;
    }
    const name = fullName(report, parts[1]);
    if (name === null) unknown.push(parts[1]);
    else tests.push((i) => holds(report.value(name, i), parts[2], parts[3]));
  }
  return { tests, unknown };
}

/** A column by its name, or by the end of it where that is clear: `beta_dust`. */
function fullName(report, name) {
  if (report.has(name)) return name;
  const ending = [...report.settingsByName.keys()].filter((key) => key.endsWith(`.${name}`));
  return ending.length === 1 ? ending[0] : null;
}

function holds(value, operator, text) {
  const wanted = Number(text);
  const numbers = typeof value === "number" && text !== "" && !Number.isNaN(wanted);
  if (operator === "=") return numbers ? value === wanted : String(value ?? "") === text;
  if (operator === "!=") return numbers ? value !== wanted : String(value ?? "") !== text;
  if (!numbers) return false;
  if (operator === "<") return value < wanted;
  if (operator === ">") return value > wanted;
  return operator === "<=" ? value <= wanted : value >= wanted;
}

const searchedTexts = [];

function searched(report, i) {
  searchedTexts[i] ??= `${report.labels[i]} ${report.described(i)}`.toLowerCase();
  return searchedTexts[i];
}

/** Positions of a setting's distinct values, in order. */
function sortedCodes(setting) {
  return setting.values.map((_, code) => code).sort((a, b) => compare(setting.values[a], setting.values[b]));
}

function compare(a, b) {
  if (a === b) return 0;
  if (a === null) return 1; // nothing comes last
  if (b === null) return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

class Filter {
  constructor(report, changed) {
    this.report = report;
    this.changed = changed;
    this.chosen = new Map();
    this.query = "";
    this.usable = false;
    this.build();
  }

  build() {
    const form = byId("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => {
      this.chosen.clear();
      this.query = "";
      this.usable = false;
      this.apply();
    });
    const line = el("input", {
      type: "search",
      id: "query",
      placeholder: "e.g. clusters.beta_dust>=50 cmb_variance<0.11 7acea5f8",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => {
        this.query = line.value;
        this.apply();
      },
    });
    const choices = this.report.varying
      .filter((s) => s.values.length <= FILTER_CHOICES)
      .map((setting) => {
        const options = [["", "all"], ...sortedCodes(setting).map((c) => [String(c), plain(setting.values[c])])];
        return choice(setting.name, options, "", (code) => {
          if (code === "") this.chosen.delete(setting.name);
          else this.chosen.set(setting.name, Number(code));
          this.apply();
        });
      });
    const usable = el("input", {
      type: "checkbox",
      onchange: () => {
        this.usable = usable.checked;
        this.apply();
      },
    });
    this.warning = el("p", { class: "warn", role: "alert", hidden: true });
    fill(
      form,
      el("label", { class: "choice grow" }, el("span", null, "Conditions or words"), line),
      choices,
      el("label", { class: "tick" }, usable, "with a usable fit"),
      el("button", { type: "reset" }, "Clear"),
      this.warning,
    );
  }

  apply() {
    const { tests, unknown } = parseQuery(this.report, this.query);
    this.warning.hidden = !unknown.length;
    this.warning.textContent = `No column is called ${unknown.join(", ")}: take one of the table's, or a setting.`;
    this.changed(this.passing(tests));
  }

  passing(tests) {
    const chosen = [...this.chosen].map(([name, code]) => [this.report.settingsByName.get(name).codes, code]);
    const kept = [];
    for (let i = 0; i < this.report.size; i += 1) {
      if (this.usable && !this.report.number("usable", i)) continue;
      if (chosen.every(([codes, code]) => codes[i] === code) && tests.every((test) => test(i))) kept.push(i);
    }
    return kept;
  }
}
