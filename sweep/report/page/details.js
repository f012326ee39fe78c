// One experiment: statistics, spectra, likelihood, maps and settings, in a panel at the side.

class Details {
  /** `neighbours()` gives the experiments in the order of the table. */
  constructor(report, neighbours, tick) {
    this.report = report;
    this.neighbours = neighbours;
    this.tick = tick;
    this.panel = byId("details");
    this.open = null;
    addEventListener("hashchange", () => this.follow());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.open !== null) this.close();
    });
  }

  /** Show an experiment; its address in the page is kept, so that Back and links work. */
  show(i) {
    if (this.open === null) this.before = document.activeElement;
    location.hash = `experiment=${this.report.labels[i]}`;
    this.draw(i);
  }

  /** Show what the address says. */
  follow() {
    const named = /^#experiment=(.+)$/.exec(location.hash);
    const i = named ? this.report.labels.indexOf(decodeURIComponent(named[1])) : -1;
    if (i < 0) this.hide();
    else this.draw(i);
  }

  close() {
    history.replaceState(null, "", "#");
    this.hide();
    if (this.before && this.before.isConnected) this.before.focus();
  }

  hide() {
    this.open = null;
    this.panel.hidden = true;
    document.body.classList.remove("behind");
  }

  draw(i) {
    if (this.open === i) return;
    this.open = i;
    this.panel.hidden = false;
    document.body.classList.add("behind");
    fill(this.panel, this.head(i), el("div", { class: "body" }, this.parts(i)));
    this.panel.scrollTop = 0;
    byId("details-title").focus({ preventScroll: true });
    this.drawCharts(i);
    document.querySelectorAll("tr.open").forEach((row) => row.classList.remove("open"));
    document.querySelector(`tr[data-experiment="${i}"]`)?.classList.add("open");
  }

  redraw() {
    const i = this.open;
    if (i === null) return;
    this.open = null;
    this.draw(i);
  }

  head(i) {
    const rows = this.neighbours();
    const at = rows.indexOf(i);
    const turn = (k, text, label) =>
      el(
        "button",
        { type: "button", "aria-label": label, title: label, disabled: at < 0 || rows[k] === undefined, onclick: () => this.show(rows[k]) },
        text,
      );
    const ticked = el("input", {
      type: "checkbox",
      checked: this.tick.has(i),
      onchange: () => this.tick.set(i, ticked.checked),
    });
    return el(
      "header",
      null,
      el("h2", { id: "details-title", tabindex: "-1" }, this.report.labels[i]),
      el("label", { class: "tick" }, ticked, "compare"),
      turn(at - 1, "‹", "previous experiment of the table"),
      turn(at + 1, "›", "next experiment of the table"),
      el("button", { type: "button", "aria-label": "close", title: "close (Esc)", onclick: () => this.close() }, "✕"),
    );
  }

  parts(i) {
    const { report } = this;
    const ratio = report.number("r", i) !== null;
    return [
      el("p", { class: "settings" }, report.varying.map((s) => el("span", null, el("small", null, s.name), plain(report.setting(s.name, i))))),
      statusBar(this.statuses(i)),
      this.front(i),
      pairs(report.panel.filter((n) => report.number(n, i) !== null).map((n) => [report.title(n), report.written(n, i)]), "figures"),
      el("h3", null, `BB spectra of the residuals, ${report.estimators[report.comparison_group[i]]} estimate`),
      report.spectra[i] ? el("div", { class: "plot", id: "details-spectra" }) : this.missing("spectra"),
      el("h3", null, `Likelihood of r, ${report.estimators[report.comparison_group[i]]} estimate`),
      ratio && report.likelihoods[i] ? el("div", { class: "plot", id: "details-likelihood" }) : this.missing("spectra"),
      el("h3", null, "Maps"),
      report.maps[i] ? this.maps(i) : this.missing("maps"),
      el("details", null, el("summary", null, "All settings"), pairs(this.allSettings(i))),
    ];
  }

  missing(part) {
    const product = this.report.missing.find((l) => l.part === part);
    return el("p", { class: "empty" }, product ? `${product.why}. ${product.remedy}` : "Not known for this experiment.");
  }

  front(i) {
    if (this.report.number("on_front", i) !== 1) return null;
    return el("p", { class: "badge" }, "on the Pareto front: none of its mask beats it in both residuals");
  }

  statuses(i) {
    const { report } = this;
    const names = Object.keys(STATUS_COLOURS).filter((name) => report.columnsByName.has(name));
    return Object.fromEntries(names.map((name) => [name, report.number(name, i)]));
  }

  allSettings(i) {
    const { report } = this;
    const own = report.settings.map((s) => [s.name, report.setting(s.name, i)]);
    const names = new Set(own.map(([name]) => name));
    const shared = Object.entries(report.base).filter(([name]) => !names.has(name.replace(/\.name$/, "")));
    return [...own, ...shared]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : plain(value, 8)]);
  }

  maps(i) {
    const { report } = this;
    const maps = report.mapsOf(i);
    const truths = report.truths[report.maps[i].truth];
    const truth = truths ? decodeMaps(truths, report.masks) : null;
    const figures = maps.layers.map((layer) => {
      const kind = report.map_kinds[layer.kind];
      const twin = truth?.layers.find((t) => t.kind === layer.kind);
      if (!twin) return skyFigure(layer, maps, kind);
      const range = [Math.min(layer.low, twin.low), Math.max(layer.high, twin.high)];
      const [recovered, input] = ["recovered", "input sky"].map((of) => ({ ...kind, title: `${kind.title}, ${of}` }));
      return [skyFigure(layer, maps, recovered, range), skyFigure(twin, truth, input, range)];
    });
    const native = report.maps[i].native;
    const coarse = maps.nside < native ? `Averaged from nside ${native} to ${maps.nside}. ` : `nside ${maps.nside}. `;
    const note = `${report.maps[i].note}. ${coarse}Galactic coordinates; colours end at the lowest and highest 0.5 %.`;
    const command = `sweep-store maps ${report.path} ${report.labels[i]}`;
    return el(
      "div",
      null,
      el("p", { class: "muted" }, note, " As FITS, at full resolution: ", el("code", null, command)),
      el("div", { class: "skies" }, figures.flat()),
    );
  }

  drawCharts(i) {
    if (!window.Plotly) return;
    const { report } = this;
    const put = (id, picture, height) => {
      const plot = byId(id);
      if (plot) Plotly.newPlot(plot, picture.traces, { ...layoutOf(plot.clientWidth, picture.layout), height }, PLOTLY_CONFIG);
    };
    if (report.spectra[i]) put("details-spectra", spectraPicture(report, report.spectraOf(i), report.spectra[i].templates), 380);
    if (report.likelihoods[i]) {
      const curve = { name: "likelihood", colour: 0, likelihood: report.likelihoodOf(i) };
      put("details-likelihood", likelihoodPicture([curve], false), 260);
    }
  }
}
