"""NLL and gradient norms about a solution: at a minimum both are lowest at zero shift."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sweep.model import KNOWN
from sweep.plots.legends import legend
from sweep.plots.names import wrapped
from sweep.plots.style import COLOURS, GREY, MARKERS, save, style
from sweep.statistics.optimum import TOGETHER

_LINES: dict[str, dict[str, Any]] = {
    name: {"color": COLOURS[i], "marker": MARKERS[i]}
    for name, i in {TOGETHER: -1, **{p.name: p.number for p in KNOWN.values()}}.items()
}


def plot_optimum(found: xr.Dataset, *paths: str | Path) -> Path:
    """Write NLL differences and gradient norms against shift, one row a scale.

    Args:
        found: what `sweep.statistics.optimum.perturbations` returns.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    scales, fit = found["scale"].values, found.attrs
    with style() as layout:
        figure, rows = layout.stack(len(scales), 2, (11.5, 3.7 * len(scales) + 0.5), 2.4)
        for i, (left, right) in enumerate(rows):
            _differences(left, found.isel(scale=i))
            _norms(right, found.isel(scale=i))
            for axes in (left, right):
                axes.axvline(0.0, color=GREY, linewidth=0.8, zorder=0)
                axes.set_xlabel(f"shift of every cluster{_units(found, '')}")
                axes.set_title(f"steps of {scales[i]:g}", loc="left")
        legend(rows[0, 0], ("shifted", _entries(rows[0, 0].get_lines()[: found.sizes["shifted"]])))
        lines = rows[0, 1].get_lines()
        count = found.sizes["parameter"]
        together, alone = lines[:count], lines[count : 2 * count]
        legend(
            rows[0, 1],
            ("all shifted", _entries(together)),
            ("it alone shifted", _entries(alone)),
        )
        figure.suptitle(
            wrapped(
                f"experiment {fit['experiment']}, realisation {fit['realisation']}: "
                f"NLL = {fit['nll']:.3f}",
                36 if layout.narrow else 80,
            )
        )
        return save(figure, *paths)


def _differences(axes: Axes, line: xr.Dataset) -> None:
    shift = line["shift"].values
    for name in line["shifted"].values:
        y = line["nll_difference"].sel(shifted=name).values
        axes.plot(shift, y, markevery=_every(shift), label=name, **_LINES[name])
    largest = max(float(np.abs(line["nll_difference"]).max()), 1e-3)
    axes.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(largest) - 5))
    axes.set_ylabel("NLL minus NLL of the solution")


def _norms(axes: Axes, line: xr.Dataset) -> None:
    shift = line["shift"].values
    for together in (True, False):
        for p in line["parameter"].values:
            y = line["gradient_norm"].sel(shifted=TOGETHER if together else p, parameter=p).values
            axes.plot(
                shift,
                y,
                linestyle="-" if together else ":",
                markevery=_every(shift),
                label=p,
                **_LINES[p],
            )
    if (line["gradient_norm"] > 0).any():
        axes.set_yscale("log")
    axes.set_ylabel(f"gradient norm of NLL{_units(line, '1/')}")


def _units(found: xr.Dataset, per: str) -> str:
    """In brackets, those of parameters that have one."""
    known = (KNOWN[str(p)] for p in found["parameter"].values)
    units = ", ".join(f"{p.symbol}: {per}{p.unit}" for p in known if p.unit != "1")
    return f"  [{units}]" if units else ""


def _entries(lines: list[Line2D]) -> list[tuple[Artist, str]]:
    return [(line, str(line.get_label())) for line in lines]


def _every(shift: np.ndarray) -> tuple[int, int]:
    """Some ten markers, one of them at zero."""
    apart = max(1, shift.size // 10)
    return (shift.size // 2) % apart, apart
