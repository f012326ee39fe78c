"""cmb_variance against cluster counts, one line a solver: the picture one looks at first."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.errors import ConfigError
from sweep.statistics.summary import settings, summary, telling
from sweep.types import PARAMETERS

# Okabe & Ito (2008): told apart by every kind of colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def plot_variance(ds: xr.Dataset, path: str | Path) -> Path:
    """Write mean and standard error of `cmb_variance` against the cluster counts.

    One panel for every parameter whose count (for multires: nside) was swept; a line for every
    combination of the other settings, coloured by solver.

    Args:
        ds: what `sweep.open` returns.
        path: picture to write; its ending chooses the format.

    Raises:
        ConfigError: no experiment has a usable fit, or the picture cannot be written.
    """
    table: Any = summary(ds)
    table = table[table["usable"] > 0]
    if table.empty:
        raise ConfigError("no experiment has a usable fit yet: nothing to plot")
    if not any(f"clusters.{p}" in table for p in PARAMETERS):
        raise ConfigError("clusters from files have no counts to plot against")
    counts = [f"clusters.{p}" for p in PARAMETERS if f"clusters.{p}" in table]
    swept = [c for c in counts if table[c].nunique() > 1] or counts[:1]
    others = [s for s in telling(table, settings(ds)) if s != "solver"]

    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(5.6 * len(swept), 4.2), layout="constrained")
        for axes, key in zip(figure.subplots(1, len(swept), squeeze=False)[0], swept, strict=True):
            _panel(axes, table, key, [o for o in others if o != key])
        try:
            figure.savefig(path, dpi=160)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"the picture {path} cannot be written: {reason}") from error
    return Path(path)


def _panel(axes: Axes, table: Any, key: str, others: list[str]) -> None:
    solvers = list(dict.fromkeys(table.get("solver", pd.Series(dtype=str))))
    keys = ["solver", *others] if solvers else others
    groups = list(table.groupby(keys, sort=False, dropna=False)) if keys else [((), table)]
    for i, (names, group) in enumerate(groups):
        group = group.sort_values(key)
        named = dict(zip(keys, names, strict=True))
        colour = solvers.index(named["solver"]) if solvers else 0
        label = ", ".join(
            v if k == "solver" else f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}"
            for k, v in named.items()
        )
        # solvers that agree would hide each other: shift each a little
        shift = 1 + 0.02 * (i - (len(groups) - 1) / 2)
        axes.errorbar(
            group[key] * shift,
            group["cmb_variance"],
            yerr=group["cmb_variance_error"],
            color=COLOURS[colour % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            capsize=3,
            linewidth=1.4,
            markersize=5,
            label=label,
        )
    if table[key].nunique() > 1:
        axes.set_xscale("symlog", linthresh=1)  # multires has nside 0: one cluster for all
    ticks = sorted(table[key].unique())
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel(key)
    axes.set_ylabel(r"cmb_variance  [$\mu\mathrm{K}^2$]")
    axes.legend(frameon=False, fontsize=8)
