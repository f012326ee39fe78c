// Disjoint masks as one sky: the best experiment a zone, and the r of all of them together.

function drawZones(report, opened) {
  if (!report.zones.length) return;
  byId("zones").hidden = false;
  document.querySelector('nav a[href="#zones"]').hidden = false;
  const charts = [];
  fill(
    byId("zones-body"),
    el("p", { class: "muted" }, "The masks do not overlap: each zone may have its own clusters, and all of them are one sky."),
    report.zones.map((search, k) => zoneSearch(report, search, k, opened, charts)),
  );
  for (const make of charts) make();
}

function zoneSearch(report, search, k, opened, charts) {
  const metric = search.metric;
  const skip = ["mask.expression"];
  const rows = search.zones.map((zone) =>
    el(
      "tr",
      null,
      el("th", { scope: "row" }, zone.mask),
      el("td", null, experimentButton(report, zone.experiment, opened), " ", el("small", null, report.short(zone.experiment, skip))),
      el("td", { class: "number" }, report.written("cmb_variance", zone.experiment)),
      search.combined ? el("td", { class: "number" }, report.written("r", zone.experiment)) : null,
      search.combined ? el("td", { class: "number" }, report.written("r_upper_68", zone.experiment)) : null,
      el("td", { class: "number" }, plain(zone.tried)),
    ),
  );
  const ratios = search.combined ? [["r", "number"], ["r + sigma", "number"]] : [];
  const head = [["zone"], ["best experiment"], ["cmb_variance", "number"], ...ratios, ["experiments", "number"]];
  const table = el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Best experiment of every zone" },
    el(
      "table",
      { class: "best" },
      tableHead(head),
      el("tbody", null, rows),
    ),
  );
  const parts = [search.comparison_group ? el("h3", null, search.comparison_group) : null, table];
  if (!search.combined) return el("div", null, parts, el("p", { class: "notice" }, search.why));
  const { combined } = search;
  const id = `zone-${k}`;
  parts.push(
    el("div", { class: "tiles" }, combinedTiles(combined, search)),
    el("div", { class: "grid" }, el("figure", { class: "card", id: `${id}-r` }), el("figure", { class: "card", id: `${id}-cl` })),
  );
  charts.push(() => zoneCharts(report, search, id));
  return el("div", null, parts);
}

function combinedTiles(combined, search) {
  const width = combined.plus;
  const interval = `+${milli(combined.plus, width)} ${MINUS}${milli(combined.minus, width)} (68 %)`;
  const error = combined.error === null ? null : `± ${plain(1000 * combined.error, 2)} ×10⁻³ from ${combined.realisations} realisations`;
  const tiles = [
    tile(`${milli(combined.r, width)} ×10⁻³`, `r of all zones together, ${combined.estimator} estimate`, interval),
    tile(`${milli(combined.upper_68, width)} ×10⁻³`, "r + sigma of the upper side", search.metric === "r_upper_68" ? error : null),
    tile(`${milli(combined.limit_95, width)} ×10⁻³`, "95 % limit, r ≥ 0", combined.other ? `${milli(combined.other.limit_95, width)} ×10⁻³ by the other estimate` : null),
    tile(`${Math.round(100 * combined.sky_fraction)} %`, "of the sky", search.zones.map((zone) => zone.mask).join(", ")),
  ];
  if (combined.quoted !== null) {
    const quoted = withError(1000 * combined.quoted, combined.quoted_error === null ? null : 1000 * combined.quoted_error);
    tiles.push(tile(`${quoted} ×10⁻³`, "r + sigma to quote", "half of the realisations chose, the others measured"));
  }
  if (search.delta_to_best > 0) {
    const alone = search.alone.join(" + ");
    const by = withError(1000 * search.delta_to_best, search.delta_to_best_error === null ? null : 1000 * search.delta_to_best_error);
    tiles.push(tile(`${by} ×10⁻³`, "gained by choosing together", `over the best of each zone by itself, ${alone}`));
  }
  return tiles;
}

function zoneCharts(report, search, id) {
  new Chart(`${id}-r`, {
    title: "Likelihood of r, each zone and together",
    picture: () => {
      const known = search.zones.filter((zone) => report.likelihoods[zone.experiment]);
      const curves = known.map((zone, k) => ({ name: zone.mask, colour: k + 1, likelihood: report.likelihoodOf(zone.experiment) }));
      const together = { name: "together", colour: 0, likelihood: decodeLikelihood(search.combined.likelihood), wide: true };
      return likelihoodPicture([together, ...curves], true);
    },
  });
  new Chart(`${id}-cl`, {
    title: "BB spectra of the residuals, all zones together",
    picture: () => spectraPicture(report, decodeSpectra(report, search.combined.spectra), search.combined.spectra.templates),
  });
}
