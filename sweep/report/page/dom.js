// Elements. Text only ever becomes text: nothing that comes from a store is read as HTML.

/** An element with attributes (`on...` are listeners) and children: elements or text. */
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined));
  return parent;
}

/** A labelled choice: `options` are [value, text] pairs. */
function choice(label, options, selected, changed) {
  const select = el("select", { onchange: () => changed(select.value) });
  for (const [value, text] of options) {
    select.append(el("option", { value, selected: value === selected }, text));
  }
  return el("label", { class: "choice" }, el("span", null, label), select);
}

/** The head of a table: [text, class] pairs, the class where there is one. */
function tableHead(columns) {
  return el("thead", null, el("tr", null, columns.map(([text, kind]) => el("th", { scope: "col", class: kind }, text))));
}

/** Names and values: one a line, or as `figures` side by side. */
function pairs(rows, kind = "pairs") {
  return el(
    "dl",
    { class: kind },
    rows.map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))),
  );
}

/** Give text to the user as a file. */
function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Rows of values as CSV (RFC 4180), numbers to the last digit, nothing where there is nothing. */
function csv(names, rows) {
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(field).join(",") + "\r\n").join("");
}
