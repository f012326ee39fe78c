// What the report is made of: columns by name, spectra, likelihoods and maps unpacked when asked for.

/** Text that was gzipped into a script element. */
async function unpack(id) {
  const packed = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function view(text, kind) {
  return new kind(bytes(text).buffer);
}

class Report {
  constructor(payload) {
    Object.assign(this, payload);
    this.size = this.labels.length;
    this.settingsByName = new Map(this.settings.map((s) => [s.name, s]));
    this.columnsByName = new Map(this.columns.map((c) => [c.name, c]));
    this.varying = this.settings.filter((s) => s.varying);
  }

  setting(name, i) {
    const setting = this.settingsByName.get(name);
    return setting.values[setting.codes[i]];
  }

  number(name, i) {
    const column = this.columnsByName.get(name);
    return column ? column.values[i] : null;
  }

  /** A setting, a number or the label of an experiment. */
  value(name, i) {
    if (name === "experiment") return this.labels[i];
    return this.settingsByName.has(name) ? this.setting(name, i) : this.number(name, i);
  }

  has(name) {
    return this.settingsByName.has(name) || this.columnsByName.has(name) || name === "experiment";
  }

  /** What tells an experiment apart, as text. */
  described(i) {
    return this.varying.map((s) => `${s.name}=${plain(this.setting(s.name, i))}`).join(" ");
  }

  /** The same for a legend: names without their group where that is clear. */
  short(i, without = []) {
    return this.varying
      .filter((s) => !without.includes(s.name))
      .map((s) => shortSetting(this, s, plain(this.setting(s.name, i))))
      .join(", ");
  }

  title(name) {
    return this.columnsByName.get(name).title;
  }

  /** A metric with its error and unit, as text. */
  written(name, i) {
    const column = this.columnsByName.get(name);
    if (!column || column.values[i] === null) return ABSENT;
    const text = this.text(column, i);
    if (isRatio(column)) return `${text} ×10⁻³`;
    return column.unit ? `${text} ${column.unit}` : text;
  }

  /** A number in the format of its column. */
  text(column, i) {
    const value = column.values[i];
    if (value === null) return ABSENT;
    if (isRatio(column)) return this.ratio(column, i);
    if (column.format === "share") return percent(value);
    const error = this.number(`${column.name}_error`, i);
    if (column.format === "precise" && error === null) return precise(value);
    if (!column.total) return withError(value, error);
    const total = this.number(column.total, i);
    return total ? `${plain(value)} of ${plain(total)}` : "none yet";
  }

  /** r or a limit in units of 10^-3, r with its interval. */
  ratio(column, i) {
    const plus = this.number("r_plus", i);
    const minus = this.number("r_minus", i);
    const text = milli(column.values[i], plus);
    return column.format === "interval" && plus !== null ? `${text} +${milli(plus, plus)} ${MINUS}${milli(minus, plus)}` : text;
  }

  /** Spectra of residuals, µK², by name; null where they are not known. */
  spectraOf(i) {
    return this.spectra[i] ? decodeSpectra(this, this.spectra[i]) : null;
  }

  likelihoodOf(i) {
    return this.likelihoods[i] ? decodeLikelihood(this.likelihoods[i]) : null;
  }

  /** The page's name of an experiment's file of maps, unpacked; null where there are none. */
  mapsOf(i) {
    return this.maps[i] ? decodeMaps(this.maps[i], this.masks) : null;
  }
}

/** `beta_dust 50`; masks and solvers need no name. */
function shortSetting(report, setting, value) {
  if (["mask.expression", "solver", "clusters", "sky", "instrument"].includes(setting.name)) return value;
  const last = setting.name.split(".").pop();
  const clear = report.varying.filter((s) => s.name.split(".").pop() === last).length === 1;
  return `${clear ? last : setting.name} ${value}`;
}

function isRatio(column) {
  return column.format === "ratio" || column.format === "interval";
}

/** Signed logarithms in 16 bits: |x| = 10^((|code| - 1) / 1600 - 16), 0 for nothing. */
function decodeSpectra(report, packed) {
  const codes = view(packed.data, Int16Array);
  const names = ["total", "systematic", "statistical"];
  const n = codes.length / names.length;
  const found = { ell: report.templates[packed.templates].ell };
  names.forEach((name, k) => {
    found[name] = Array.from(codes.subarray(k * n, (k + 1) * n), decodeLogarithm);
  });
  return found;
}

function decodeLogarithm(code) {
  return code === 0 ? null : Math.sign(code) * 10 ** ((Math.abs(code) - 1) / 1600 - 16);
}

/** Points of a likelihood, 16 bits each: as many below the peak as above it. */
function decodeLikelihood(packed) {
  const values = Array.from(view(packed.data, Uint16Array), (v) => v / 65535);
  const [bottom, peak, top] = packed.r;
  const half = (values.length - 1) / 2;
  const r = values.map((_, k) =>
    k <= half ? bottom + ((peak - bottom) * k) / half : peak + ((top - peak) * (k - half)) / half,
  );
  return { r, values };
}

/** Maps of kept pixels, 8 bits each: 255 for nothing, else a level between low and high. */
function decodeMaps(packed, masks) {
  const layers = packed.layers.map((layer) => ({ ...layer, codes: bytes(layer.data) }));
  return { nside: packed.nside, position: positions(masks[packed.mask]), layers };
}

/** Of each pixel of the sphere its place among the kept ones, -1 outside. */
function positions(mask) {
  if (!mask.position) {
    const bits = bytes(mask.bits);
    mask.position = new Int32Array(12 * mask.nside * mask.nside).fill(-1);
    let kept = 0;
    for (let p = 0; p < mask.position.length; p += 1) {
      if (bits[p >> 3] & (128 >> (p & 7))) mask.position[p] = kept++;
    }
  }
  return mask.position;
}
