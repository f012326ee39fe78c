// The answer: the best experiment of every sky, instrument, noise and mask, and how sure that is.

function experimentButton(report, i, opened) {
  return el("button", { type: "button", class: "link", onclick: () => opened(i) }, report.labels[i]);
}

/** Of a metric, in its own unit, also where it is a difference. */
function inUnit(report, metric, value, error) {
  if (isRatio(report.columnsByName.get(metric))) {
    const scaled = error === null ? null : 1000 * error;
    return `${value === null ? ABSENT : withError(1000 * value, scaled)} ×10⁻³`;
  }
  const unit = metricUnit(report, metric);
  return `${withError(value, error)} ${unit}`.trim();
}

/** What a distance between two experiments says. */
function verdict(significance, tied) {
  if (tied) return "tie: only rounding tells them apart";
  if (significance === null) return "not known: too few realisations in common";
  const text = `${plain(significance, 2)} σ`;
  if (significance < 2) return `${text}: cannot be told apart`;
  return significance < 5 ? `${text}: likely` : `${text}: clear`;
}

function bestRow(report, best, opened) {
  const group = report.comparison_groups[best.comparison_group];
  const skip = Object.keys(group.settings);
  const second =
    best.second === null
      ? [el("td", { colspan: 3 }, "no other experiment to compare with")]
      : [
          el("td", null, experimentButton(report, best.second, opened), " ", el("small", null, report.short(best.second, skip))),
          el("td", { class: "number" }, inUnit(report, best.metric, best.delta_to_best, best.delta_to_best_error)),
          el("td", null, verdict(best.significance, best.tied)),
        ];
  const quoted = best.quoted === null ? null : el("small", null, `to quote: ${inUnit(report, best.metric, best.quoted, best.quoted_error)}`);
  return el(
    "tr",
    null,
    group.label ? el("th", { scope: "row" }, group.label) : null,
    el("td", null, experimentButton(report, best.first, opened), " ", el("small", null, report.short(best.first, skip))),
    el("td", { class: "number" }, inUnit(report, best.metric, best.value, best.error), " ", quoted),
    second,
    el("td", { class: "number" }, plain(best.experiments)),
  );
}

function drawBest(report, opened) {
  const target = byId("best-body");
  if (!report.best.length) {
    const why = report.missing.find((l) => l.part === "ranking");
    fill(target, el("p", { class: "empty" }, why ? `No experiment is ranked: ${why.why}.` : "No experiment has a usable fit yet."));
    return;
  }
  const tables = [...groupBy(report.best, (b) => b.metric)].map(([metric, rows]) => {
    const marks = [...new Set(rows.map((row) => row.estimator).filter(Boolean))].map((name) => `by the ${name} estimate`);
    const named = report.comparison_groups[rows[0].comparison_group].label !== "";
    const head = [
      named ? ["for"] : null,
      ["best"],
      [`its ${report.title(metric)}${marks.length ? ` (${marks.join(", ")})` : ""}`, "number"],
      ["runner-up"],
      ["its delta to best", "number"],
      ["in its errors"],
      ["experiments", "number"],
    ].filter(Boolean);
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Best experiments" },
      el(
        "table",
        { class: "best" },
        tableHead(head),
        el("tbody", null, rows.map((row) => bestRow(report, row, opened))),
      ),
    );
  });
  const note =
    "Lower is better. Distances are between the same noise draws in both experiments, so that their errors are much smaller than those of the two numbers. " +
    "The best of many by the same draws looks better than it is: the figure to quote is what half of the realisations say of what the other half chose, the mean of both ways.";
  const warnings = report.warnings.map((line) => el("p", { class: "notice" }, line));
  fill(target, el("p", { class: "muted" }, note), warnings, tables);
}
