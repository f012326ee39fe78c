// A metric against one swept number, one line for experiments that agree in all other settings.

const MOST_LINES = 40; // above, points only, and a line along the lowest of each colour
const MOST_TICKS = 12;
const MOST_NAMES = 16; // of steps; of more, every second or third is named

/** Settings with numbers that tell experiments apart, cluster counts first. */
function numericSettings(report) {
  const found = report.varying.filter((s) => s.values.length > 1 && s.values.every((v) => typeof v === "number"));
  return [...found.filter((s) => s.name.startsWith("clusters.")), ...found.filter((s) => !s.name.startsWith("clusters."))];
}

/** An axis along the values of a setting, and where on it a value is. */
function settingAxis(setting, used) {
  const values = sortedCodes(setting).map((code) => setting.values[code]).filter((v) => used.has(v));
  const title = axisTitle(setting.name);
  const [low, high] = [values[0], values[values.length - 1]];
  // numbers far apart that begin with zero, as nside 0 for one cluster: equal steps
  if (low === 0 && values.length > 2) return { axis: { ...namedSteps(values), title }, at: (v) => values.indexOf(v) };
  const axis = { title, type: low > 0 && high / low > 5 ? "log" : "linear" };
  if (values.length <= MOST_TICKS) Object.assign(axis, { tickvals: values, ticktext: values.map((v) => plain(v)) });
  return { axis, at: (v) => v };
}

/** An axis of equal steps with names: not plotly's categories, which take "2" for a position. */
function namedSteps(values) {
  const every = Math.ceil(values.length / MOST_NAMES);
  const tickvals = values.map((_, k) => k).filter((k) => k % every === 0);
  return { type: "linear", tickvals, ticktext: tickvals.map((k) => forPlotly(plain(values[k]))), zeroline: false };
}

/** Choices for colours: settings that tell experiments apart, with few values. */
function colourOptions(report) {
  const few = report.varying.filter((s) => s.values.length > 1 && s.values.length <= 12);
  return [["", "nothing"], ...few.map((s) => [s.name, s.name])];
}

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

function countsChart(report, current, opened) {
  const settings = numericSettings(report);
  const chosen = { x: settings.length ? settings[0].name : "", y: report.metrics[0] || "", colour: "" };
  const colours = colourOptions(report);
  const byDefault = ["mask.expression", "solver", ...settings.slice(1).map((s) => s.name)];
  chosen.colour = byDefault.find((name) => colours.some(([value]) => value === name)) || "";
  const change = (what) => (value) => {
    chosen[what] = value;
    chart.refresh();
  };
  const chart = new Chart("counts", {
    title: "A metric against counts",
    about:
      "A line joins experiments that differ in nothing else, and bars are standard errors. " +
      `Above ${MOST_LINES} lines there is one along the lowest of each colour instead.`,
    controls: [
      choice("metric", metricOptions(report), chosen.y, change("y")),
      choice("against", settings.map((s) => [s.name, s.name]), chosen.x, change("x")),
      choice("colour", colours, chosen.colour, change("colour")),
    ],
    picture: () => countsPicture(report, current(), chosen),
    clicked: (point) => opened(point.customdata),
  });
  return chart;
}

function countsPicture(report, passing, chosen) {
  if (!chosen.x) return "Nothing to draw: no setting with numbers differs between experiments.";
  const shown = passing.filter((i) => report.number(chosen.y, i) !== null);
  if (!shown.length) return "No experiment that passes the filter has this metric.";
  const x = (i) => report.setting(chosen.x, i);
  const setting = report.settingsByName.get(chosen.x);
  const { axis, at: along } = settingAxis(setting, new Set(shown.map(x)));
  const at = (i) => along(x(i));
  const others = report.varying.filter((s) => s.name !== chosen.x);
  const lines = groupBy(shown, (i) => others.map((s) => s.codes[i]).join(" "));
  const few = lines.size <= MOST_LINES;
  const colourOf = colourCodes(report, shown, chosen.colour);
  const traces = [];
  const named = new Set();
  const groups = few ? lines : groupBy(shown, (i) => colourOf(i).key);
  for (const group of [...groups.values()].sort((a, b) => colourOf(a[0]).k - colourOf(b[0]).k)) {
    const sorted = [...group].sort((a, b) => x(a) - x(b));
    traces.push(pointsTrace(report, sorted, at, chosen.y, colourOf(sorted[0]), { lines: few, named }));
    if (!few) traces.push(lowestTrace(report, sorted, at, x, chosen.y, colourOf(sorted[0])));
  }
  const layout = {
    xaxis: axis,
    yaxis: { title: axisTitle(chosen.y, metricUnit(report, chosen.y)) },
    showlegend: chosen.colour !== "",
  };
  return { traces, layout };
}

/** Of an experiment the colour, and the name of it. */
function colourCodes(report, shown, name) {
  if (!name) return () => ({ key: "", k: 0, label: "", colour: lineColour(0) });
  const setting = report.settingsByName.get(name);
  const order = sortedCodes(setting);
  return (i) => {
    const code = setting.codes[i];
    const k = order.indexOf(code);
    const label = shortSetting(report, setting, plain(setting.values[code]));
    return { key: String(code), k, label, colour: colourAmong(k, order.length) };
  };
}

function pointsTrace(report, group, at, metric, colour, { lines, named }) {
  const errors = group.map((i) => report.number(`${metric}_error`, i));
  const first = !named.has(colour.key);
  named.add(colour.key);
  return {
    type: "scatter",
    mode: lines && group.length > 1 ? "lines+markers" : "markers",
    x: group.map(at),
    y: group.map((i) => report.number(metric, i)),
    error_y: { type: "data", array: errors, visible: lines && errors.some((e) => e > 0), thickness: 1, width: 3 },
    customdata: group,
    hovertext: group.map((i) => hoverText(report, i, [metric])),
    hoverinfo: "text",
    name: forPlotly(colour.label),
    legendgroup: colour.key,
    showlegend: first && lines,
    line: { width: 1.5, color: colour.colour },
    marker: {
      size: lines ? 7 : 6,
      color: colour.colour,
      symbol: SYMBOLS[colour.k % SYMBOLS.length],
      opacity: lines ? 1 : 0.45,
    },
  };
}

function lowestTrace(report, group, at, x, metric, colour) {
  const lowest = [...groupBy(group, x).values()].map((same) =>
    same.reduce((a, b) => (report.number(metric, b) < report.number(metric, a) ? b : a)),
  );
  return {
    type: "scatter",
    mode: "lines",
    x: lowest.map(at),
    y: lowest.map((i) => report.number(metric, i)),
    line: { width: 2.5, color: colour.colour },
    name: forPlotly(colour.label),
    legendgroup: colour.key,
    hoverinfo: "skip",
  };
}
