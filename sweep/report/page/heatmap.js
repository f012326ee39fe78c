// A metric over two swept settings: each cell shows the lowest of its experiments.

const MOST_WRITTEN = 120; // cells: above, no numbers are written into them

function heatmapChart(report, current, opened) {
  const swept = report.varying.filter((s) => s.values.length > 1);
  const numeric = numericSettings(report);
  // numbers of different skies and masks are not to be compared: other settings first
  const apart = (s) => s.name in report.comparison_groups[0].settings;
  const order = [...numeric, ...swept.filter((s) => !numeric.includes(s))].sort((a, b) => apart(a) - apart(b));
  const chosen = {
    x: order[0]?.name || "",
    y: order[1]?.name || "",
    metric: report.metrics[0] || "",
    group: report.comparison_groups.length > 1 && order[1] && !apart(order[1]) ? "0" : "",
  };
  const names = order.map((s) => [s.name, s.name]);
  const change = (what) => (value) => {
    chosen[what] = value;
    chart.refresh();
  };
  const groups = [["", "all together"], ...report.comparison_groups.map((c, k) => [String(k), c.label])];
  const chart = new Chart("heatmap", {
    title: "A metric over two settings",
    about: report.races.some((race) => race.path.length)
      ? "A cell shows the lowest of its experiments; the frame is around the lowest of all. The line follows the leaders of a search."
      : "A cell shows the lowest of its experiments; the frame is around the lowest of all.",
    controls: [
      choice("metric", metricOptions(report), chosen.metric, change("metric")),
      choice("across", names, chosen.x, change("x")),
      choice("up", names, chosen.y, change("y")),
      report.comparison_groups.length > 1 ? choice("for", groups, chosen.group, change("group")) : [],
    ].flat(),
    picture: (width) => heatmapPicture(report, current(), chosen, width),
    clicked: (point) => point.customdata && opened(point.customdata[0]),
  });
  return chart;
}

function heatmapPicture(report, passing, chosen, width) {
  if (!chosen.y) return "Nothing to draw: fewer than two settings differ between experiments.";
  if (chosen.x === chosen.y) return "Choose two different settings.";
  const shown = passing.filter(
    (i) => report.number(chosen.metric, i) !== null && (chosen.group === "" || report.comparison_group[i] === Number(chosen.group)),
  );
  if (!shown.length) return "No experiment that passes the filter has this metric here.";
  const [across, up] = [chosen.x, chosen.y].map((name) => usedValues(report, name, shown));
  const cells = groupBy(shown, (i) => `${report.setting(chosen.x, i)} ${report.setting(chosen.y, i)}`);
  const cell = (x, y) => {
    const members = cells.get(`${x} ${y}`);
    if (!members) return null;
    const best = members.reduce((a, b) => (report.number(chosen.metric, b) < report.number(chosen.metric, a) ? b : a));
    return { best, count: members.length, value: report.number(chosen.metric, best) };
  };
  const grid = up.map((y) => across.map((x) => cell(x, y)));
  const values = grid.flat().filter(Boolean).map((c) => c.value);
  const lowest = Math.min(...values);
  const digits = writtenDigits(values);
  const written = values.length <= MOST_WRITTEN && width / across.length > 44;
  const text = grid.map((row) => row.map((c) => (c && written ? cellNumber(report.columnsByName.get(chosen.metric), c.value, digits) : "")));
  const hover = grid.map((row) =>
    row.map((c) => {
      if (!c) return "";
      const more = c.count > 1 ? `<br>lowest of ${c.count} experiments` : "";
      return hoverText(report, c.best, [chosen.metric]) + more;
    }),
  );
  const at = grid.flatMap((row, y) => row.map((c, x) => (c && c.value === lowest ? [x, y] : null))).find(Boolean);
  const trace = {
    type: "heatmap",
    x: across.map((_, k) => k),
    y: up.map((_, k) => k),
    z: grid.map((row) => row.map((c) => (c ? c.value : null))),
    text,
    texttemplate: "%{text}",
    textfont: { size: 11 },
    hovertext: hover,
    hoverinfo: "text",
    hoverongaps: false,
    customdata: grid.map((row) => row.map((c) => (c ? [c.best] : null))),
    colorscale: plotlyScale("cividis"),
    xgap: 1,
    ygap: 1,
    colorbar: {
      title: { text: metricUnit(report, chosen.metric), side: "top" },
      thickness: 12,
      outlinewidth: 0,
      exponentformat: "power",
    },
  };
  const layout = {
    xaxis: { ...namedSteps(across), title: axisTitle(chosen.x), showgrid: false },
    yaxis: { ...namedSteps(up), title: axisTitle(chosen.y), showgrid: false },
    shapes: [
      {
        type: "rect",
        x0: at[0] - 0.5,
        x1: at[0] + 0.5,
        y0: at[1] - 0.5,
        y1: at[1] + 0.5,
        line: { color: lineColour(1), width: 3 },
      },
    ],
  };
  return { traces: [trace, ...searchPath(report, chosen, across, up)], layout };
}

/** The way of a search over the cells, from its first leader to the last. */
function searchPath(report, chosen, across, up) {
  const shown = chosen.group === "" && report.comparison_groups.length === 1 ? 0 : Number(chosen.group || -1);
  const race = report.races.find((r) => r.comparison_group === shown && r.path.length);
  if (!race) return [];
  const [columns, rows] = [across.map(String), up.map(String)];
  const at = race.path
    .map(({ experiment }) => [columns.indexOf(String(report.setting(chosen.x, experiment))), rows.indexOf(String(report.setting(chosen.y, experiment)))])
    .filter(([x, y]) => x >= 0 && y >= 0);
  if (new Set(at.map(String)).size < 2) return [];
  return [
    {
      type: "scatter",
      mode: "lines+markers",
      x: at.map(([x]) => x),
      y: at.map(([, y]) => y),
      line: { color: lineColour(1), width: 2 },
      marker: { color: lineColour(1), size: at.map((_, k) => (k === at.length - 1 ? 12 : 7)), line: { color: token("--raised"), width: 1 } },
      hoverinfo: "skip",
      showlegend: false,
    },
  ];
}

function usedValues(report, name, shown) {
  const setting = report.settingsByName.get(name);
  const used = new Set(shown.map((i) => setting.codes[i]));
  return sortedCodes(setting).filter((code) => used.has(code)).map((code) => setting.values[code]);
}

/** Decimal places that tell the cells apart. */
function writtenDigits(values) {
  const range = Math.max(...values) - Math.min(...values);
  return range > 0 ? Math.min(Math.max(1 - Math.floor(Math.log10(range)), 0), 8) : 4;
}

function cellNumber(column, value, digits) {
  if (isRatio(column)) return grouped((1000 * value).toFixed(Math.max(digits - 3, 1)));
  return grouped(value.toFixed(Math.min(digits, 6)));
}
