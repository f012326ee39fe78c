// Which experiments are looked at: choices of settings, and a line of conditions and words.

const FILTER_CHOICES = 60; // settings with more values are filtered by the line

/** Conditions (`clusters.beta_dust>=100`, `solver=newton`, `r_upper_68<0.001`) and words. */
function parseQuery(report, text) {
  const tests = [];
  const unknown = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const parts = /^([\w.]+)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
    const { test, problem } = parts ? parseCondition(report, ...parts.slice(1)) : parseWord(report, word);
    if (problem) unknown.push(problem);
    if (test) tests.push(test);
  }
  return { tests, unknown };
}

function parseWord(report, word) {
  const wanted = word.toLowerCase();
  const test = (i) => searched(report, i).includes(wanted);
  if (report.labels.some((_, i) => test(i))) return { test };
  const column = fullNames(report, word).length > 0;
  const hint = column ? `a condition is ${word}=..., without blanks` : "nor is it a condition, as solver=newton is";
  return { test, problem: `No experiment has the word ${word} in its label or settings; ${hint}.` };
}

function parseCondition(report, given, operator, text) {
  const names = fullNames(report, given);
  if (names.length > 1) return { problem: `${given} may be ${names.join(" or ")}: write more of the name.` };
  if (!names.length) return { problem: `No column is called ${given}: take one of the table's, or a setting${alike(report, given)}.` };
  const [name] = names;
  const test = (i) => holds(report.value(name, i), operator, text);
  const values = report.labels.map((_, i) => report.value(name, i)).filter((v) => v !== null);
  const ordered = operator.startsWith("<") || operator.startsWith(">");
  if (ordered && Number.isNaN(Number(text))) return { test, problem: `${name}${operator}${text}: ${text} is no number.` };
  if (ordered && !values.some((v) => typeof v === "number")) return { test, problem: `${name} has no numbers: take = or !=.` };
  const setting = report.settingsByName.get(name);
  if (!ordered && setting && !values.some((v) => holds(v, "=", text))) {
    const known = sortedCodes(setting).slice(0, 8).map((code) => plain(setting.values[code]));
    return { test, problem: `${name} is nowhere ${text}: it is ${known.join(", ")}${setting.values.length > 8 ? ", ..." : ""}.` };
  }
  return { test };
}

/** Columns by a name, or settings by the end of it: `beta_dust`. */
function fullNames(report, name) {
  if (report.has(name)) return [name];
  return [...report.settingsByName.keys()].filter((key) => key.endsWith(`.${name}`));
}

/** Names that hold a part of what was asked for, to choose from. */
function alike(report, name) {
  const parts = name.toLowerCase().split(/[._]/).filter((part) => part.length > 2);
  const all = [...report.settingsByName.keys(), ...report.columnsByName.keys()];
  const found = all.filter((key) => parts.some((part) => key.toLowerCase().includes(part)));
  return found.length ? `, e.g. ${found.slice(0, 5).join(", ")}` : "";
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
    this.warning.textContent = unknown.join(" ");
    byId("filtered").textContent = this.described();
    this.changed(this.passing(tests));
  }

  /** What was chosen, for paper. */
  described() {
    const chosen = [...this.chosen].map(([name, code]) => `${name}=${plain(this.report.settingsByName.get(name).values[code])}`);
    const all = [...chosen, this.query.trim(), this.usable ? "with a usable fit" : ""].filter(Boolean);
    return all.length ? `Filtered by ${all.join(", ")}` : "";
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
