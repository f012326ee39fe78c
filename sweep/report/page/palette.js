// Colours that every kind of colour vision tells apart.

/** Okabe & Ito 2008; yellow is left out, which is too pale for a line. */
const LIGHT_LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
const DARK_LINES = ["#56b4e9", "#ff8a4c", "#2bc99a", "#e7a3c9", "#f0b93a", "#8fb8ff", "#b9bfc9"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "x", "star"];

const SCALES = {
  cividis: "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 dec958 f0d846 fee838",
  viridis: "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725",
  diverging: "053061 175290 2a71b2 3f8ec0 6bacd1 9bc9e0 c2ddec e0ecf3 f7f6f6 fbe5d8 fbccb4 f5aa89 e48066 d05548 ba2832 930e26 67001f",
};

const STATUS_COLOURS = {
  converged: "#009e73",
  max_steps: "#e69f00",
  stalled: "#56b4e9",
  nonfinite: "#d55e00",
  outside_box: "#cc79a7",
  missing: "#9aa1ab",
};

function isDark() {
  return !isPaper() && matchMedia("(prefers-color-scheme: dark)").matches;
}

function lineColour(k) {
  const colours = isDark() ? DARK_LINES : LIGHT_LINES;
  return colours[k % colours.length];
}

/** Colour `k` of `count`: in steps along a scale where the list of colours is too short. */
function colourAmong(k, count) {
  if (count <= LIGHT_LINES.length) return lineColour(k);
  const [low, high] = isDark() ? [0.2, 1] : [0, 0.88]; // what stands out from the page
  const at = Math.round(255 * (low + ((high - low) * k) / (count - 1)));
  return `rgb(${ramp("viridis", 256)[at].join(",")})`;
}

function stops(name) {
  return SCALES[name].split(" ").map((hex) => `#${hex}`);
}

/** A colour scale for plotly. */
function plotlyScale(name) {
  const colours = stops(name);
  return colours.map((colour, k) => [k / (colours.length - 1), colour]);
}

/** Red, green and blue of `count` steps along a scale. */
function ramp(name, count) {
  const rgb = stops(name).map((c) => [1, 3, 5].map((at) => parseInt(c.slice(at, at + 2), 16)));
  return Array.from({ length: count }, (_, k) => {
    const at = (k / (count - 1)) * (rgb.length - 1);
    const left = Math.min(Math.floor(at), rgb.length - 2);
    return rgb[left].map((v, c) => Math.round(v + (at - left) * (rgb[left + 1][c] - v)));
  });
}

/** A custom property of the style sheet. */
function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
