// On paper: light colours, every row and all that is folded, tables and charts as wide as the page.

const PAPER_WIDTH = 660; // px, between the margins of A4 and of Letter

/** Get the page ready for a print, and as it was afterwards. */
function followPrinting(table) {
  const root = document.documentElement;
  let unfolded = [];
  addEventListener("beforeprint", () => {
    root.classList.add("paper");
    unfolded = [...document.querySelectorAll("main details:not([open]):not(.chooser)")];
    for (const one of unfolded) one.open = true;
    drawSheets(table);
    for (const chart of Chart.all) chart.draw(PAPER_WIDTH);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("paper");
    for (const one of unfolded) one.open = false;
    fill(byId("sheets"));
    for (const chart of Chart.all) chart.refresh();
  });
}

/** The table of experiments with all its rows; columns that the page has no room for come below. */
function drawSheets(table) {
  const shown = table.columns.filter((column) => column.shown);
  const [whole] = fill(byId("sheets"), sheet(table, shown)).children;
  const [label, ...widths] = [...whole.tHead.rows[0].cells].map((cell) => cell.offsetWidth);
  const parts = [[]];
  let room = PAPER_WIDTH - label;
  shown.forEach((column, k) => {
    if (widths[k] > room && parts.at(-1).length) {
      parts.push([]);
      room = PAPER_WIDTH - label;
    }
    parts.at(-1).push(column);
    room -= widths[k];
  });
  if (parts.length > 1) fill(byId("sheets"), parts.map((columns) => sheet(table, columns)));
}

function sheet(table, columns) {
  const side = (column) => (column.numeric ? "number" : null);
  const lines = (column) => column.title.split(/(?<=\.)/).flatMap((part, k) => (k ? [el("br"), part] : [part]));
  const head = (column) => el("th", { class: side(column) }, lines(column), column.unit ? ` ${column.unit}` : "");
  const cell = (column, i) => el("td", { class: side(column) }, el("div", null, column.cell(i)));
  const row = (i) => el("tr", null, el("th", null, table.report.labels[i]), columns.map((column) => cell(column, i)));
  return el(
    "table",
    { class: "sheet" },
    el("thead", null, el("tr", null, el("th", null, "experiment"), columns.map(head))),
    el("tbody", null, table.rows.map(row)),
  );
}

function isPaper() {
  return document.documentElement.classList.contains("paper");
}
