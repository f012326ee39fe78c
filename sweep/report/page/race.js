// A race: who left after how many realisations, and by how much it was behind.

const MOST_LEAVING = 3; // of a round that are written out; the table has all

function drawRaces(report, opened) {
  if (!report.races.length) return;
  byId("race").hidden = false;
  document.querySelector('nav a[href="#race"]').hidden = false;
  fill(
    byId("race-body"),
    el(
      "p",
      { class: "muted" },
      "Some experiments have fewer realisations than others, as a race leaves them: differences are those to the first of all that had as many. Compare only those that have all of them.",
    ),
    report.races.map((race) => raceTable(report, race, opened)),
  );
}

function raceTable(report, race, opened) {
  const group = report.comparison_groups[race.comparison_group].label;
  const button = (i) => experimentButton(report, i, opened);
  const rows = race.rounds.map((round) => {
    const shown = round.left.slice(0, MOST_LEAVING);
    const others = round.left.length - shown.length;
    const gone = shown.flatMap((i, k) => [k ? ", " : "", button(i), ` +${inUnit(report, race.metric, round.delta[k], round.error[k])}`]);
    return el(
      "tr",
      null,
      el("th", { scope: "row", class: "number" }, plain(round.realisations)),
      el("td", null, button(round.leader)),
      el("td", { class: "number" }, plain(round.left.length)),
      el("td", null, gone, others ? `, and ${plain(others)} farther behind` : null),
    );
  });
  const head = [["realisations", "number"], ["first of them"], ["left", "number"], [`behind it in ${race.metric}, the nearest first`]];
  const path = race.path.flatMap((step, k) => [k ? " → " : "", button(step.experiment), ` (launch ${step.launch})`]);
  return el(
    "div",
    null,
    group ? el("h3", null, group) : null,
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Who left the race, and when" },
      el(
        "table",
        { class: "best" },
        tableHead(head),
        el("tbody", null, rows),
      ),
    ),
    el("p", null, `${many(race.going_on, "experiment")} went on to ${plain(race.most)} realisations.`),
    path.length ? el("p", null, "Leaders as the search went on: ", path) : null,
  );
}
