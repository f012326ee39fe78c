// Maps of the sky on a canvas: Mollweide, Galactic, the centre of the Galaxy in the middle.

const SKY_WIDTH = 640;
const SKY_HEIGHT = 320;
const LEVELS = 254; // codes 0 to 254; 255 is nothing

/** A figure of one map; `range` is [low, high] of the colours, by default those of the map. */
function skyFigure(layer, maps, kind, range = [layer.low, layer.high]) {
  const canvas = el("canvas", { width: SKY_WIDTH, height: SKY_HEIGHT, role: "img" });
  const under = el("output", { class: "under" }, "");
  const unit = kind.unit;
  const label = (value) => (unit ? `${plain(value, 3)} ${unit}` : plain(value, 3));
  canvas.setAttribute("aria-label", `${kind.title}, ${label(layer.low)} to ${label(layer.high)}`);
  drawSky(canvas, layer, maps, kind.scale, range);
  canvas.addEventListener("pointermove", (event) => {
    under.textContent = textUnder(event, canvas, layer, maps, label);
  });
  canvas.addEventListener("pointerleave", () => {
    under.textContent = "";
  });
  const colours = stops(kind.scale).join(",");
  return el(
    "figure",
    { class: "sky" },
    el("figcaption", null, kind.title, under),
    canvas,
    el(
      "div",
      { class: "colourbar" },
      el("span", null, plain(range[0], 3)),
      el("span", { class: "ramp", style: `background:linear-gradient(to right,${colours})` }),
      el("span", null, label(range[1])),
    ),
  );
}

function levelOf(layer, code) {
  return layer.low + (code / LEVELS) * (layer.high - layer.low);
}

function drawSky(canvas, layer, maps, scale, [low, high]) {
  const table = mollweide(maps.nside, SKY_WIDTH, SKY_HEIGHT);
  const colours = ramp(scale, 256);
  const width = high - low || 1;
  const shades = Array.from({ length: 255 }, (_, code) => {
    const at = Math.round((255 * (levelOf(layer, code) - low)) / width);
    return colours[Math.min(Math.max(at, 0), 255)];
  });
  const masked = isDark() ? [58, 64, 74] : [222, 225, 229];
  const context = canvas.getContext("2d");
  const image = context.createImageData(SKY_WIDTH, SKY_HEIGHT);
  for (let k = 0; k < table.length; k += 1) {
    if (table[k] < 0) continue;
    const place = maps.position[table[k]];
    const code = place < 0 ? 255 : layer.codes[place];
    const [red, green, blue] = code === 255 ? masked : shades[code];
    image.data.set([red, green, blue, 255], 4 * k);
  }
  context.putImageData(image, 0, 0);
}

/** Value and Galactic coordinates under the pointer. */
function textUnder(event, canvas, layer, maps, label) {
  const box = canvas.getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * SKY_WIDTH);
  const y = Math.floor(((event.clientY - box.top) / box.height) * SKY_HEIGHT);
  const direction = directionAt(x, y, SKY_WIDTH, SKY_HEIGHT);
  if (!direction) return "";
  const degrees = (angle) => Math.round((angle * 180) / Math.PI);
  const where = `l ${degrees(direction.phi)}° b ${grouped(String(degrees(Math.asin(direction.z))))}°`;
  const place = maps.position[pixelAt(maps.nside, direction.z, direction.phi)];
  const code = place < 0 ? 255 : layer.codes[place];
  return code === 255 ? `masked, ${where}` : `${label(levelOf(layer, code))}, ${where}`;
}
