// Puts the page together: numbers and tables first, charts when plotly is there.

function subtitle(report) {
  const differ = report.varying.map((s) => s.name).join(", ");
  const text = `${report.path}, looked at ${report.looked_at.replace("T", " ").replace("+00:00", " UTC")}`;
  return differ ? `${text}. Experiments differ in ${differ}.` : `${text}.`;
}

function start(report) {
  byId("subtitle").textContent = subtitle(report);
  byId("footer").textContent =
    `Written by skysweep ${report.version}. Everything is in this file; nothing is loaded or sent. Charts by plotly.js (MIT licence).`;
  drawTiles(report);
  drawStatus(report);
  drawMissing(report);
  drawProvenance(report);

  let passing = report.labels.map((_, i) => i);
  const open = (i) => details.show(i);
  const tick = { has: (i) => comparison.ticked.includes(i), set: (i, yes) => comparison.tick(i, yes) };
  const table = new Table(report, open, tick.set);
  const comparison = new Comparison(report, table);
  const details = new Details(report, () => table.rows, tick);
  const charts = [countsChart, heatmapChart, frontChart].map((make) => make(report, () => passing, open));
  drawBest(report, open);
  drawRaces(report, open);
  drawZones(report, open);
  new Filter(report, (kept) => {
    passing = kept;
    byId("count").textContent = `${plain(kept.length)} of ${many(report.size, "experiment")}`;
    table.show(kept);
    charts.forEach((chart) => chart.refresh());
  }).apply();
  followPrinting(table);
  const redraw = () => {
    Chart.all.forEach((chart) => chart.refresh());
    details.redraw();
  };
  return { redraw, details };
}

/** plotly as a script of its own, in the words of which the page's policy knows the hash. */
async function loadPlotly() {
  const script = el("script", null);
  script.textContent = await unpack("plotly");
  document.head.append(script);
}

async function main() {
  const report = new Report(JSON.parse(await unpack("payload")));
  const page = start(report);
  page.details.follow();
  await loadPlotly();
  page.redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", page.redraw);
  document.documentElement.dataset.ready = "yes";
}

main().catch((error) => {
  const trouble = byId("trouble");
  trouble.hidden = false;
  trouble.textContent =
    typeof DecompressionStream === "undefined"
      ? "This browser is too old for the report: take Chrome 80, Firefox 113, Safari 16.4, or later ones."
      : `The report cannot be shown: ${error.message}`;
  throw error;
});
