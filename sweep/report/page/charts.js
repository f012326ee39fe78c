// What all charts share: figures with choices, drawn when they are seen, in the colours of the page.

const NARROW = 560; // px: below, charts are lower and have smaller margins

const BY_FINGER = matchMedia("(pointer: coarse)").matches;

/** Settings of plotly that every chart has. */
const PLOTLY_CONFIG = {
  responsive: true,
  displaylogo: false,
  displayModeBar: BY_FINGER ? false : "hover",
  // named one by one: by default plotly has a button that uploads the chart
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  plotlyServerURL: "",
  toImageButtonOptions: { format: "png", scale: 3, filename: "sweep-chart" },
};

function layoutOf(width, extra) {
  const axis = {
    gridcolor: token("--line"),
    zerolinecolor: token("--line"),
    linecolor: token("--muted"),
    ticks: "outside",
    tickcolor: token("--muted"),
    automargin: true,
    title: { standoff: 8 },
  };
  const merged = {
    height: width < NARROW ? 370 : 420,
    margin: { l: 56, r: 12, t: 32, b: 48 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font"), size: 13, color: token("--text") },
    hoverlabel: {
      bgcolor: token("--raised"),
      bordercolor: token("--muted"),
      font: { family: token("--font"), size: 13, color: token("--text") },
      align: "left",
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: token("--muted"), activecolor: token("--link") },
    hovermode: "closest",
    // a finger on a chart is to scroll the page
    dragmode: BY_FINGER ? false : "zoom",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
    ...extra,
  };
  for (const name of ["xaxis", "yaxis"]) {
    const given = merged[name] || {};
    if (name === "xaxis" && !given.tickvals) axis.nticks = width < NARROW ? 5 : 9;
    merged[name] = { ...axis, ...given, title: { ...axis.title, ...(given.title || {}) } };
  }
  return merged;
}

/** Horizontal and vertical axis titles are text of the store too. */
function axisTitle(name, unit) {
  return { text: forPlotly(unit ? `${name}  [${unit}]` : name) };
}

function metricUnit(report, name) {
  return report.columnsByName.get(name).unit;
}

class Chart {
  /**
   * A figure. `picture(width)` gives { traces, layout }, or a text where there is nothing to draw;
   * `clicked(point)` is called with plotly's point.
   */
  constructor(id, { title, about, controls = [], picture, clicked }) {
    this.picture = picture;
    this.clicked = clicked;
    this.plot = el("div", { class: "plot", id: `${id}-plot` });
    this.message = el("p", { class: "empty", hidden: true });
    fill(
      byId(id),
      el("figcaption", null, el("h3", null, title), about ? el("p", { class: "muted" }, about) : null),
      el("div", { class: "controls" }, controls),
      this.plot,
      this.message,
    );
    this.seen = false;
    this.stale = true;
    Chart.all.push(this);
    new IntersectionObserver(
      (entries) => {
        this.seen = entries[entries.length - 1].isIntersecting;
        if (this.seen) this.drawIfStale();
      },
      { rootMargin: "200px" },
    ).observe(byId(id));
  }

  /** What it shows has changed: draw it after the table was painted, if it is in sight. */
  refresh() {
    this.stale = true;
    if (this.seen) requestAnimationFrame(() => setTimeout(() => this.drawIfStale()));
  }

  drawIfStale() {
    if (this.stale) this.draw();
  }

  /** Draw it now, as wide as its place on the page or as is said. */
  draw(fixed) {
    if (!window.Plotly) return;
    this.stale = false;
    const width = fixed || this.plot.clientWidth || this.plot.parentElement.clientWidth;
    const drawn = this.picture(width);
    const empty = typeof drawn === "string";
    this.message.hidden = !empty;
    this.plot.hidden = empty;
    if (empty) {
      this.message.textContent = drawn;
      return;
    }
    const first = !this.plot.classList.contains("js-plotly-plot");
    Plotly.react(this.plot, drawn.traces, { ...layoutOf(width, drawn.layout), width: fixed }, PLOTLY_CONFIG);
    if (first && this.clicked) this.plot.on("plotly_click", (event) => this.clicked(event.points[0]));
  }
}

Chart.all = [];

/** Text under the pointer: an experiment, what tells it apart, and some of its numbers. */
function hoverText(report, i, names) {
  const lines = [`<b>${report.labels[i]}</b>`];
  for (const s of report.varying) lines.push(`${forPlotly(s.name)} = ${forPlotly(plain(report.setting(s.name, i)))}`);
  for (const name of names) lines.push(`${name} ${forPlotly(report.written(name, i))}`);
  return lines.slice(0, 16).join("<br>");
}

/** Choices of a metric. */
function metricOptions(report) {
  return report.metrics.map((name) => [name, report.title(name)]);
}
