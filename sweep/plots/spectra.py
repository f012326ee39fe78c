"""BB spectra of the residuals of an experiment, with those of the CMB."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator

from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.plots.legends import legend
from sweep.plots.names import with_unit
from sweep.plots.style import COLOURS, MARKERS, save, style
from sweep.spectra import multipoles
from sweep.statistics.residuals import Residuals
from sweep.statistics.tensor_ratio import Templates

_PARTS = {
    "total": "total residual",
    "systematic": "systematic residual",
    "statistical": "statistical residual",
}


def plot_spectra(
    residuals: Residuals,
    spectra: Templates,
    *paths: str | Path,
    estimator: Estimator,
    ratios: Sequence[float] = (1e-3, 4e-3),
    name: str = "",
) -> Path:
    """Draw the BB power of the total, systematic and statistical residual.

    Args:
        residuals: of the B field, of one experiment or of zones together.
        spectra: of the CMB, at the same multipoles.
        paths: pictures to write; their endings choose the formats.
        estimator: of the parts; the systematic part by the other one is drawn beside it, where it
            is known.
        ratios: values of r whose tensor spectra are drawn.
        name: of the experiment; its label by default.

    Raises:
        ConfigError: there are too few realisations, or a picture cannot be written.
    """
    found = residuals.spectra(estimator)
    ell = multipoles(residuals.nside)
    scale = ell * (ell + 1) / (2 * np.pi)
    with style() as layout:
        figure = layout.blank((7.4, 4.4), 2.6)
        axes = figure.subplots()
        entries: list[tuple[Any, str]] = []
        for i, (part, text) in enumerate(_PARTS.items()):
            power = scale * getattr(found, part)
            own: dict[str, Any] = {"color": COLOURS[i], "marker": MARKERS[i]}
            shown = np.where(power > 0, power, np.nan)
            (drawn,) = axes.plot(ell, shown, linewidth=1.1, markersize=3 * layout.size, **own)
            below = np.count_nonzero(power <= 0)
            if part == "systematic":
                text = f"{text}, {NAMES[estimator]}"
            entries.append((drawn, f"{text}\n({below} multipoles below 0)" if below else text))
        others: list[Estimator] = [e for e in ESTIMATORS if e != estimator]
        for other in others:
            if residuals.missing(other):
                continue
            power = scale * residuals.spectra(other).systematic
            shown = np.where(power > 0, power, np.nan)
            (line,) = axes.plot(ell, shown, color=COLOURS[1], linestyle=":", linewidth=1.1)
            entries.append((line, f"{_PARTS['systematic']}, {NAMES[other]}"))
        (line,) = axes.plot(ell, scale * spectra.lensing, color="black", linewidth=1.6)
        entries.append((line, "lensing"))
        for ratio, dash in zip(ratios, ("--", "-.", ":", (0, (1, 3))), strict=False):
            tensor = scale * ratio * spectra.tensor
            (line,) = axes.plot(ell, tensor, color="0.35", linestyle=dash, linewidth=1.6)
            entries.append((line, rf"tensor, $r = {_power_of_ten(ratio)}$"))
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = [t for t in (2, 5, 10, 20, 50, 100, 200, 500) if t <= ell[-1]]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(ell[0] * 0.93, ell[-1] * 1.07)
        axes.set_xlabel(r"multipole $\ell$")
        axes.set_ylabel(with_unit(r"$\ell(\ell+1)\,C_\ell^{BB}/2\pi$", "uK_CMB^2"))
        count = len(residuals.realisations)
        axes.set_title(
            f"{name or residuals.label}; {count} realisations, "
            rf"$f_\mathrm{{sky}} = {residuals.sky_fraction:.2f}$",
            loc="left",
        )
        legend(axes, ("", entries))
        return save(figure, *paths)


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    power = rf"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \times {power}"
