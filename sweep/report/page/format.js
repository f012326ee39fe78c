// Numbers, units and text as a person reads them.

const MINUS = "\u2212";
const THIN = "\u202f";
const ABSENT = "\u2013";

function superscript(text) {
  const raised = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  return Array.from(text, (c) => raised[c]).join("");
}

/** Groups of three digits before the decimal point, and a true minus sign. */
function grouped(text) {
  const [whole, rest] = text.replace("-", "").split(".");
  const head = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
  return (text.startsWith("-") ? MINUS : "") + head + (rest === undefined ? "" : "." + rest);
}

/** A number to so many significant digits; text as it is; a dash where there is nothing. */
function plain(value, digits = 4) {
  if (value === null || value === undefined || value === "") return ABSENT;
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return grouped(String(value));
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    return `${grouped(mantissa)}×10${superscript(power.replace("+", ""))}`;
  }
  return grouped(String(Number(value.toPrecision(digits))));
}

/** A value and its standard error, both to two digits of the error. */
function withError(value, error) {
  if (value === null || value === undefined) return ABSENT;
  if (!(error > 1e-9 * Math.abs(value))) return plain(value, 4);
  const power = Math.floor(Math.log10(Math.max(Math.abs(value), error)));
  if (power < -4 || power > 5) {
    const scale = 10 ** power;
    return `(${withError(value / scale, error / scale)})×10${superscript(String(power))}`;
  }
  const places = Math.max(0, 1 - Math.floor(Math.log10(error)));
  return `${grouped(value.toFixed(places))} ± ${grouped(error.toFixed(places))}`;
}

/** So that 0.001 shows, whatever the size. */
function precise(value) {
  return Math.abs(value) < 1e3 ? plain(value, 6) : grouped(value.toFixed(3));
}

/** A share in per cent; 100 % only where it is all. */
function percent(value) {
  return value === null ? ABSENT : `${Math.floor(100 * value + 1e-6)} %`;
}

/** r in units of 10^-3, to one digit of its interval. */
function milli(value, width) {
  if (value === null || value === undefined) return ABSENT;
  const digits = width > 0 ? 1 - Math.floor(Math.log10(1000 * width)) : 2;
  return grouped((1000 * value).toFixed(Math.min(Math.max(digits, 0), 6)));
}

function span(seconds) {
  for (const [name, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * size) return `${plain(seconds / size, 2)} ${name}`;
  }
  return `${plain(seconds, 2)} s`;
}

/** Text for plotly, which would read tags and entities in it. */
function forPlotly(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** `1 fit`, `2 fits`. */
function many(count, noun) {
  return `${grouped(String(count))} ${noun}${count === 1 ? "" : "s"}`;
}
