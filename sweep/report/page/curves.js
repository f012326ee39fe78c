// Likelihoods of r and spectra of residuals: of one experiment, of some side by side, of zones.

/** One curve a likelihood: { name, colour, likelihood } each. */
function likelihoodPicture(curves, legend) {
  const traces = curves.map((curve, k) => ({
    type: "scatter",
    mode: "lines",
    x: curve.likelihood.r.map((r) => 1000 * r),
    y: curve.likelihood.values,
    name: forPlotly(curve.name),
    line: { shape: "spline", color: lineColour(curve.colour), width: curve.wide ? 3 : 2, dash: DASHES[k % DASHES.length] },
    hovertemplate: "r = %{x:.3f}×10⁻³<br>likelihood %{y:.3f}<extra></extra>",
  }));
  const layout = {
    xaxis: { title: axisTitle("r", "10⁻³") },
    yaxis: { title: axisTitle("likelihood"), range: [0, 1.05] },
    shapes: [{ type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: token("--muted"), width: 1, dash: "dot" } }],
    showlegend: legend,
  };
  return { traces, layout };
}

const TENSOR_CURVES = [
  [1e-3, "r = 10⁻³"],
  [4e-3, "r = 4×10⁻³"],
];

/** Curves that residuals are compared with: BB power of lensing and of tensor modes, as D_l. */
function templateTraces(report, name) {
  const found = report.templates[name];
  if (!found) return [];
  const { ell, lensing, tensor } = found;
  const curve = (name, values, dash) => ({
    type: "scatter",
    mode: "lines",
    x: ell,
    y: values.map((c, k) => bandPower(ell[k], c)),
    name,
    line: { color: token("--text"), width: 1.2, dash },
    hovertemplate: `${name}<br>ℓ %{x}<br>%{y:.3g} µK²<extra></extra>`,
  });
  return [
    curve("lensing", lensing, "solid"),
    ...TENSOR_CURVES.map(([r, name], k) => curve(name, tensor.map((c) => r * c), k ? "dash" : "dot")),
  ];
}

function bandPower(ell, c) {
  return c === null ? null : (ell * (ell + 1) * c) / (2 * Math.PI);
}

/** A spectrum; where an estimate is negative its size is drawn as an open point. */
function spectrumTraces(name, ell, values, style) {
  const powers = values.map((c, k) => bandPower(ell[k], c));
  const common = { type: "scatter", x: ell, legendgroup: name, name: forPlotly(name) };
  const traces = [
    {
      ...common,
      mode: "lines",
      y: powers.map((p) => (p > 0 ? p : null)),
      connectgaps: false,
      line: { color: style.colour, width: style.width || 1.8, dash: style.dash || "solid" },
      hovertemplate: `${forPlotly(name)}<br>ℓ %{x}<br>%{y:.3g} µK²<extra></extra>`,
    },
  ];
  if (powers.some((p) => p < 0)) {
    traces.push({
      ...common,
      mode: "markers",
      showlegend: false,
      y: powers.map((p) => (p < 0 ? -p : null)),
      marker: { color: style.colour, symbol: "circle-open", size: 5 },
      hovertemplate: `${forPlotly(name)}, negative<br>ℓ %{x}<br>${MINUS}%{y:.3g} µK²<extra></extra>`,
    });
  }
  return traces;
}

function spectraLayout() {
  return {
    xaxis: { title: axisTitle("multipole ℓ"), type: "log", tickvals: [2, 5, 10, 20, 50, 100, 200, 500, 1000] },
    yaxis: { title: { text: "ℓ(ℓ+1) C<sub>ℓ</sub> / 2π  [µK²]" }, type: "log", exponentformat: "power", dtick: 1 },
  };
}

function spectraPicture(report, spectra, templates) {
  const traces = [
    ...spectrumTraces("total", spectra.ell, spectra.total, { colour: lineColour(0) }),
    ...spectrumTraces("systematic", spectra.ell, spectra.systematic, { colour: lineColour(1) }),
    ...spectrumTraces("statistical", spectra.ell, spectra.statistical, { colour: lineColour(2) }),
    ...templateTraces(report, templates),
  ];
  return { traces, layout: spectraLayout() };
}
