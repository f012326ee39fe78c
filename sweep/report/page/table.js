// The table of experiments: sorted, in pages, with columns to choose from, and as CSV.

const PAGE_SIZES = [25, 50, 100, 500];

class Table {
  /** `opened(i)` is called for the experiment of a row, `compared(i, yes)` for its tick. */
  constructor(report, opened, compared) {
    this.report = report;
    this.opened = opened;
    this.compared = compared;
    this.ticked = new Set();
    this.rows = [];
    this.sorting = { name: null, descending: false };
    this.page = 0;
    this.pageSize = PAGE_SIZES[0];
    this.columns = this.allColumns();
    this.buildTools();
  }

  allColumns() {
    const report = this.report;
    const settings = report.settings.map((s) => ({
      name: s.name,
      title: s.name,
      unit: "",
      numeric: s.values.every((v) => v === null || typeof v === "number"),
      shown: s.varying,
      cell: (i) => plain(report.setting(s.name, i)),
    }));
    const numbers = report.columns
      .filter((c) => !c.of)
      .map((c) => ({
        name: c.name,
        title: c.title,
        unit: isRatio(c) ? "10⁻³" : c.unit,
        about: c.about,
        numeric: true,
        shown: report.shown.includes(c.name),
        cell: (i) => this.numberCell(c, i),
      }));
    const first = report.shown.map((name) => numbers.find((c) => c.name === name));
    return [...settings, ...first, ...numbers.filter((c) => !c.shown)];
  }

  numberCell(column, i) {
    const text = this.report.text(column, i);
    return column.format === "warning" && column.values[i] > 0 ? el("strong", { class: "warn" }, text) : text;
  }

  buildTools() {
    const ticks = this.columns.map((column) =>
      el(
        "label",
        { class: "tick", title: column.about },
        el("input", {
          type: "checkbox",
          checked: column.shown,
          onchange: (event) => {
            column.shown = event.target.checked;
            this.draw();
          },
        }),
        column.title,
      ),
    );
    fill(
      byId("tools"),
      el("button", { type: "button", id: "csv", onclick: () => this.save() }, "Download these rows as CSV"),
      el("details", { class: "chooser" }, el("summary", { id: "hidden-columns" }), el("div", { class: "ticks" }, ticks)),
    );
  }

  /** Show these experiments, from the first page on. */
  show(passing) {
    this.passing = passing;
    this.page = 0;
    this.sort();
    this.draw();
  }

  sort() {
    const { name, descending } = this.sorting;
    this.rows = [...this.passing];
    if (name === null) return;
    const values = new Map(this.rows.map((i) => [i, this.report.value(name, i)]));
    const sign = descending ? -1 : 1;
    this.rows.sort((a, b) => {
      const [left, right] = [values.get(a), values.get(b)];
      if (left === null || right === null) return compare(left, right); // nothing stays last
      return sign * compare(left, right);
    });
  }

  sortBy(name) {
    const same = this.sorting.name === name;
    this.sorting = { name, descending: same && !this.sorting.descending };
    this.page = 0;
    this.sort();
    this.draw();
    byId("table").querySelector(`th[data-name="${CSS.escape(name)}"] button`).focus();
  }

  draw() {
    const shown = this.columns.filter((column) => column.shown);
    this.drawHead(shown);
    const hidden = this.columns.length - shown.length;
    byId("hidden-columns").textContent = hidden ? `${many(hidden, "column")} hidden: show` : "All columns are shown: choose";
    const pages = Math.max(1, Math.ceil(this.rows.length / this.pageSize));
    this.page = Math.min(this.page, pages - 1);
    const start = this.page * this.pageSize;
    const rows = this.rows.slice(start, start + this.pageSize);
    fill(byId("table").tBodies[0], rows.map((i) => this.row(i, shown)));
    if (!rows.length) {
      const message = this.report.size ? "No experiment passes the filter." : "The store holds no experiment.";
      byId("table").tBodies[0].append(el("tr", null, el("td", { colspan: shown.length + 2 }, message)));
    }
    this.drawPages(start, rows.length, pages);
  }

  drawHead(shown) {
    const cell = (column) => {
      const sorted = this.sorting.name === column.name;
      const direction = sorted ? (this.sorting.descending ? "descending" : "ascending") : null;
      return el(
        "th",
        { scope: "col", "data-name": column.name, "aria-sort": direction, class: column.numeric ? "number" : null },
        el(
          "button",
          { type: "button", title: column.about, onclick: () => this.sortBy(column.name) },
          breakable(column.title),
          column.unit ? el("small", null, ` ${column.unit}`) : null,
        ),
      );
    };
    const head = el(
      "tr",
      null,
      el("th", { scope: "col", class: "mark", title: "Compare below" }, el("span", { class: "hidden" }, "compare")),
      cell({ name: "experiment", title: "experiment", unit: "", numeric: false }),
      shown.map(cell),
    );
    fill(byId("table").tHead, head);
  }

  row(i, shown) {
    const tick = el("input", {
      type: "checkbox",
      checked: this.ticked.has(i),
      "aria-label": `compare ${this.report.labels[i]}`,
      onchange: () => this.compared(i, tick.checked),
      onclick: (event) => event.stopPropagation(),
    });
    return el(
      "tr",
      { "data-experiment": i, onclick: () => this.opened(i) },
      el("td", { class: "mark", onclick: (event) => event.stopPropagation() }, tick),
      el("th", { scope: "row" }, el("button", { type: "button", class: "link" }, this.report.labels[i])),
      shown.map((column) =>
        el("td", { class: column.numeric ? "number" : null, "data-name": column.name }, column.cell(i)),
      ),
    );
  }

  drawPages(start, count, pages) {
    const turn = (by, text, label) =>
      el(
        "button",
        {
          type: "button",
          "aria-label": label,
          disabled: this.page + by < 0 || this.page + by >= pages,
          onclick: () => {
            this.page += by;
            this.draw();
          },
        },
        text,
      );
    const sizes = choice(
      "rows a page",
      PAGE_SIZES.map((n) => [String(n), String(n)]),
      String(this.pageSize),
      (size) => {
        this.pageSize = Number(size);
        this.page = 0;
        this.draw();
      },
    );
    const range = count ? `${start + 1} to ${start + count} of ${this.rows.length}` : "none";
    const needed = this.rows.length > PAGE_SIZES[0];
    fill(
      byId("pages"),
      needed ? [turn(-1, "‹ Previous", "previous page"), el("span", null, range), turn(1, "Next ›", "next page"), sizes] : [],
    );
  }

  /** Every column of the rows that pass, in the order shown, to the last digit. */
  save() {
    const report = this.report;
    const names = ["experiment", ...report.settingsByName.keys(), ...report.columnsByName.keys()];
    const rows = this.rows.map((i) => names.map((name) => report.value(name, i)));
    download(`${report.name}-experiments.csv`, csv(names, rows));
  }
}

/** A heading that may break after a dot. */
function breakable(text) {
  return text.split(/(?<=\.)/).flatMap((part, k) => (k ? [el("wbr"), part] : [part]));
}
