// Systematic against statistical residual: more clusters leave less foreground and let in more noise.

const FRONT_PARTS = ["systematic", "statistical"];

function frontChart(report, current, opened) {
  const colours = colourOptions(report);
  const chosen = { colour: "", group: report.comparison_groups.length > 1 ? "0" : "" };
  const byDefault = numericSettings(report).map((s) => s.name);
  chosen.colour = byDefault.find((name) => colours.some(([value]) => value === name)) || "";
  const change = (what) => (value) => {
    chosen[what] = value;
    chart.refresh();
  };
  const groups = [["", "all together"], ...report.comparison_groups.map((c, k) => [String(k), c.label])];
  const chart = new Chart("front", {
    title: "Systematic against statistical residual",
    about:
      `Each var Q + var U of recovered minus true CMB: what stays in every realisation (${frontEstimators(report)}), and what each has more. ` +
      "No other experiment of the same sky, instrument, noise and mask beats one on the Pareto front (ringed) in both.",
    controls: [
      choice("colour", colours, chosen.colour, change("colour")),
      report.comparison_groups.length > 1 ? choice("for", groups, chosen.group, change("group")) : [],
    ].flat(),
    picture: () => frontPicture(report, current(), chosen),
    clicked: (point) => opened(point.customdata),
  });
  return chart;
}

/** By which estimators the systematic residual is known; the first ranks where all have it. */
function frontEstimators(report) {
  const known = ["cross", "noise_free"].filter((name) => report.columnsByName.has(`systematic_${name}`));
  return known.length ? known.map((name) => `${name.replace("_", "-")} estimate`).join(" first, else ") : "not known";
}

function frontPicture(report, passing, chosen) {
  if (!report.columnsByName.has("on_front")) {
    return "The systematic residual is not known here: it needs two converged realisations and parameters or maps in the store, or fits without noise (noise.noiseless=true).";
  }
  const shown = passing.filter(
    (i) => report.number("systematic", i) !== null && (chosen.group === "" || report.comparison_group[i] === Number(chosen.group)),
  );
  if (!shown.length) return "No experiment that passes the filter has both parts here.";
  const [x, y] = FRONT_PARTS.map((name) => (i) => report.number(name, i));
  const colourOf = colourCodes(report, shown, chosen.colour);
  const traces = frontLines(report, shown, x, y);
  const groups = [...groupBy(shown, (i) => colourOf(i).key).values()].sort((a, b) => colourOf(a[0]).k - colourOf(b[0]).k);
  for (const group of groups) {
    const colour = colourOf(group[0]);
    const onFront = group.map((i) => report.number("on_front", i) === 1);
    traces.push({
      type: "scatter",
      mode: "markers",
      x: group.map(x),
      y: group.map(y),
      customdata: group,
      hovertext: group.map((i) => hoverText(report, i, [...FRONT_PARTS, "cmb_variance", "r"].filter((n) => report.has(n)))),
      hoverinfo: "text",
      name: forPlotly(colour.label),
      showlegend: colour.label !== "",
      marker: {
        color: colour.colour,
        symbol: SYMBOLS[colour.k % SYMBOLS.length],
        size: onFront.map((yes) => (yes ? 11 : 7)),
        opacity: onFront.map((yes) => (yes ? 1 : 0.55)),
        line: { color: token("--text"), width: onFront.map((yes) => (yes ? 2 : 0)) },
      },
    });
  }
  const scale = (values) => (values.every((v) => v > 0) && Math.max(...values) > 3 * Math.min(...values) ? "log" : "linear");
  const unit = metricUnit(report, "systematic");
  const layout = {
    xaxis: { title: axisTitle("systematic residual", unit), type: scale(shown.map(x)), exponentformat: "power" },
    yaxis: { title: axisTitle("statistical residual", unit), type: scale(shown.map(y)), exponentformat: "power" },
  };
  return { traces, layout };
}

/** A line along the Pareto front of every mask. */
function frontLines(report, shown, x, y) {
  const members = shown.filter((i) => report.number("on_front", i) === 1);
  const fronts = [...groupBy(members, (i) => report.comparison_group[i]).values()];
  return fronts.map((front, k) => {
    const sorted = [...front].sort((a, b) => x(a) - x(b));
    return {
      type: "scatter",
      mode: "lines",
      x: sorted.map(x),
      y: sorted.map(y),
      line: { color: token("--muted"), width: 1.5, dash: "dot" },
      name: "Pareto front",
      legendgroup: "front",
      showlegend: k === 0,
      hoverinfo: "skip",
    };
  });
}
