// Ticked experiments side by side; the best of every mask where none is ticked.

const MOST_COMPARED = 7;

class Comparison {
  constructor(report, table) {
    this.report = report;
    this.table = table;
    this.ticked = [];
    this.likelihoods = new Chart("likelihoods", {
      title: "Likelihood of r",
      about: "Of what lensing and the residuals would be taken for: any r that is not 0 is a bias.",
      picture: (width) => this.likelihoodPicture(width),
    });
    this.spectra = new Chart("spectra", {
      title: "BB spectra of the residuals",
      about: "Lines are systematic, dotted lines statistical residuals; points are sizes of negative estimates.",
      picture: () => this.spectraPicture(),
    });
    this.note();
  }

  tick(i, yes) {
    this.ticked = this.ticked.filter((k) => k !== i);
    if (yes) this.ticked = [...this.ticked, i].slice(-MOST_COMPARED);
    this.table.ticked = new Set(this.ticked);
    this.table.draw();
    this.note();
    this.refresh();
  }

  refresh() {
    this.likelihoods.refresh();
    this.spectra.refresh();
  }

  get shown() {
    if (this.ticked.length) return this.ticked;
    const { best, comparison_groups: groups, likelihoods } = this.report;
    const first = best.filter((b) => b.metric === best[0].metric);
    const shown = first.flatMap((b) => (groups.length === 1 ? [b.first, b.second] : [b.first]));
    return shown.filter((i) => i !== null && likelihoods[i]).slice(0, MOST_COMPARED);
  }

  note() {
    const what = this.ticked.length
      ? [`${many(this.ticked.length, "experiment")} ticked in the table. `, this.clearButton()]
      : [this.report.comparison_groups.length === 1 ? "The best and the runner-up. " : "The best of each mask. ", "Tick experiments in the table, up to seven, to see those instead."];
    fill(byId("compare-note"), what);
  }

  clearButton() {
    return el("button", { type: "button", onclick: () => this.clear() }, "Untick all");
  }

  clear() {
    this.ticked = [];
    this.table.ticked = new Set();
    this.table.draw();
    this.note();
    this.refresh();
  }

  name(i, width) {
    return width < NARROW ? this.report.labels[i] : `${this.report.labels[i]}: ${this.report.short(i)}`;
  }

  likelihoodPicture(width) {
    const known = this.shown.filter((i) => this.report.likelihoods[i]);
    if (!known.length) return this.nothing();
    const curves = known.map((i, k) => ({ name: this.name(i, width), colour: k, likelihood: this.report.likelihoodOf(i) }));
    return likelihoodPicture(curves, true);
  }

  spectraPicture() {
    const known = this.shown.filter((i) => this.report.spectra[i]);
    if (!known.length) return this.nothing();
    const traces = known.flatMap((i, k) => {
      const spectra = this.report.spectraOf(i);
      const label = this.report.labels[i];
      const style = { colour: lineColour(k) };
      const dotted = spectrumTraces(`${label} statistical`, spectra.ell, spectra.statistical, { ...style, dash: "dot", width: 1.4 });
      return [
        ...spectrumTraces(`${label} systematic`, spectra.ell, spectra.systematic, style),
        ...dotted.map((trace) => ({ ...trace, showlegend: false })),
      ];
    });
    const { templates } = this.report.spectra[known[0]];
    return { traces: [...traces, ...templateTraces(this.report, templates)], layout: spectraLayout() };
  }

  nothing() {
    return this.ticked.length
      ? "None of the ticked experiments has spectra of its residuals."
      : "No experiment has spectra of its residuals, so r is not known; the overview says what they need.";
  }
}
