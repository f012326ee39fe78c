// How far the store is: fits by how they ended, groups of experiments, errors, workers.

function statusBar(counts) {
  const entries = Object.entries(counts).filter(([, n]) => n > 0);
  const total = entries.reduce((sum, [, n]) => sum + n, 0);
  if (!total) return null;
  const parts = entries.map(([name, n]) =>
    el("span", { style: `flex-grow:${n};background:${STATUS_COLOURS[name] || "#777"}`, title: `${n} ${name}` }),
  );
  const legend = entries.map(([name, n]) =>
    el(
      "li",
      null,
      el("i", { style: `background:${STATUS_COLOURS[name] || "#777"}` }),
      el("b", null, plain(n)),
      ` ${name.replace("_", " ")}`,
    ),
  );
  return el("div", { class: "statuses" }, el("div", { class: "stack", "aria-hidden": "true" }, parts), el("ul", null, legend));
}

function tile(value, name, note, bad = false) {
  return el(
    "div",
    { class: bad ? "tile bad" : "tile" },
    el("b", null, value),
    el("span", null, name),
    note ? el("small", null, note) : null,
  );
}

function unusableFits(statuses) {
  return (statuses.nonfinite || 0) + (statuses.outside_box || 0);
}

function drawTiles(report) {
  const s = report.status;
  const total = s.fits_done + s.fits_missing;
  const unusable = unusableFits(s.statuses);
  const certified = report.columnsByName.get("certified")?.values.filter((v) => v !== null) || [];
  const share = certified.reduce((sum, v) => sum + v, 0) / certified.length;
  fill(
    byId("tiles"),
    tile(plain(report.size), report.size === 1 ? "experiment" : "experiments", many(s.segments, "segment")),
    tile(
      s.fits_missing ? `${plain(s.fits_done)} of ${plain(total)}` : plain(s.fits_done),
      "fits recorded",
      s.fits_missing
        ? `${plain(s.fits_missing)} missing${leftText(s)}`
        : report.noiseless ? `${plain(report.noiseless)} of them without noise` : "all of them",
      s.fits_missing > 0,
    ),
    tile(plain(unusable), "unusable fits", unusable ? "left out of every mean, counted in the table" : "every recorded fit is used", unusable > 0),
    certified.length
      ? tile(percent(share), "of fits: no cluster lower", "no single cluster can go lower")
      : tile(ABSENT, "no cluster lower", "no solver that scans was used"),
    tile(span(s.seconds), "of work", "fits and compilation, all workers"),
  );
}

function leftText(s) {
  return s.eta === null ? "" : `, about ${span(s.eta)} at the last rate`;
}

function drawStatus(report) {
  const s = report.status;
  const counts = { ...s.statuses };
  if (s.fits_missing) counts.missing = s.fits_missing;
  fill(byId("status"), statusBar(counts), failures(s), more(s));
}

function failures(s) {
  if (!s.failures.length) return null;
  const kinds = s.failures.map((kind) =>
    el(
      "li",
      null,
      el("p", null, el("code", null, kind.message)),
      el(
        "p",
        { class: "muted" },
        `${many(kind.times, "time")}, ${many(kind.units, "unit")}, highest attempt ${kind.attempt}, on ${kind.hosts.join(", ")}`,
      ),
      el("details", null, el("summary", null, "newest traceback"), el("pre", null, kind.traceback)),
    ),
  );
  const poisoned = s.poisoned.length
    ? el("p", null, `${many(s.poisoned.length, "unit")} failed at the last attempt: ${s.poisoned.slice(0, 10).join(", ")}`)
    : null;
  return el(
    "div",
    { class: "notice bad" },
    el("h3", null, "Errors of units that are missing"),
    el("p", { class: "muted" }, "The same command computes them again."),
    el("ul", { class: "kinds" }, kinds),
    poisoned,
  );
}

function more(s) {
  const names = s.groups.length ? Object.keys(s.groups[0].settings) : [];
  const head = [...names, "experiments", "fits done", "missing", "failed", "seconds a fit"];
  const rows = s.groups.map((g) => [
    ...Object.values(g.settings),
    ...[g.experiments, g.done, g.missing, g.failed].map((v) => plain(v)),
    plain(g.seconds, 3),
  ]);
  const workers = s.places.map((p) => [
    p.host,
    p.device,
    plain(p.workers),
    plain(p.stale),
    plain(p.fits),
    p.age === null ? ABSENT : `${span(p.age)} before the report`,
  ]);
  return el(
    "details",
    { class: "more" },
    el("summary", null, "Groups and workers"),
    simpleTable(head, rows, names.length),
    simpleTable(["host", "device", "workers", "stale", "fits", "last write"], workers, 2),
    s.torn_lines ? el("p", { class: "muted" }, `${s.torn_lines} torn journal lines ignored (a worker was killed)`) : null,
  );
}

/** A table of text; columns from `numbersFrom` on are aligned to the right. */
function simpleTable(head, rows, numbersFrom) {
  const cls = (k) => (k >= numbersFrom ? "number" : null);
  return el(
    "div",
    { class: "scroll", tabindex: "0" },
    el(
      "table",
      null,
      el("thead", null, el("tr", null, head.map((text, k) => el("th", { scope: "col", class: cls(k) }, text)))),
      el("tbody", null, rows.map((row) => el("tr", null, row.map((text, k) => el("td", { class: cls(k) }, text))))),
    ),
  );
}

function drawMissing(report) {
  const items = report.missing.map((product) =>
    el(
      "li",
      null,
      el("b", null, product.what),
      product.experiments < report.size ? ` of ${many(product.experiments, "experiment")}` : "",
      `: ${product.why}. `,
      el("span", { class: "remedy" }, product.remedy),
    ),
  );
  if (items.length) {
    fill(byId("missing"), el("div", { class: "notice" }, el("h3", null, "Not in this report"), el("ul", null, items)));
  }
}
