"""Solvers compared: how low each came, and how long it took."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from sweep.errors import ConfigError
from sweep.plots.metrics import as_published
from sweep.plots.names import value_of
from sweep.plots.style import MARKERS, blank, colours, legend, save, style
from sweep.statistics.selection import best
from sweep.statistics.summary import settings, telling

_SAME = 1e-3
"""NLL is -2 ln L: below it solutions are the same, 0.03 of their error apart; there the axis is
linear."""


def solver_table(ds: xr.Dataset) -> Any:
    """Experiments that differ only in their solver, compared.

    Args:
        ds: what `sweep.open` returns.

    Returns:
        `sweep.statistics.selection.best` by `nll` among the experiments of each problem, so that
        `behind` is the mean NLL above the lowest mean of all solvers; `named`, the solver and those
        of its settings that differ. Problems that one solver alone has tried are left out.

    Raises:
        ConfigError: no problem has usable fits of two solvers.
    """
    keys = settings(ds)
    mine = [key for key in keys if key.split(".")[0] == "solver"]
    frame: Any = pd.DataFrame({key: ds[key].values for key in keys})
    shown = telling(frame, mine)
    problems = frame.groupby([k for k in keys if k not in mine], sort=False, dropna=False)
    parts: list[Any] = []
    for _, group in problems:
        if len(group) > 1:
            try:
                parts.append(best(ds.isel(experiment=group.index.to_numpy()), "nll", converged=0))
            except ConfigError:  # none of them has a usable fit
                continue
    parts = [part for part in parts if len(part) > 1]
    if not parts:
        raise ConfigError(
            "no two experiments with usable fits differ in their solver alone: sweep solver"
        )
    table = as_published(pd.concat(parts), ds)
    words = [
        ", ".join(str(row[k]) if k == "solver" else f"{k}={value_of(row[k])}" for k in shown)
        for _, row in table.iterrows()
    ]
    return table.assign(named=words)


def plot_solvers(table: Any, *paths: str | Path) -> Path:
    """Draw the NLL above the lowest against the time of a fit: a marker a solver, one a problem.

    Markers are open where not every fit met the tolerance of its solver.

    Args:
        table: what `solver_table` returns.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    names = list(dict.fromkeys(table["named"]))
    converged = table["converged"] if "converged" in table else 0 * table["usable"]
    done = (converged == table["usable"]).to_numpy()
    with style():
        figure = blank(6.8, 4.2)
        axes = figure.subplots()
        entries: list[tuple[Any, str]] = []
        for i, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
            here = (table["named"] == name).to_numpy()
            marker = MARKERS[i % len(MARKERS)]
            axes.scatter(
                table["seconds"][here],
                table["behind"][here],
                s=40,
                marker=marker,
                facecolors=[colour if d else "none" for d in done[here]],
                edgecolors=["white" if d else colour for d in done[here]],
                linewidths=[0.5 if d else 1.2 for d in done[here]],
            )
            sample = Line2D([], [], linestyle="none", marker=marker, color=colour)
            entries.append((sample, f"{name} ({np.count_nonzero(here)})"))
        axes.set_xscale("log")
        decades = max(1, int(np.ceil(np.log10(table["behind"].max() / _SAME + 1e-9))))
        ticks = [0.0, *(_SAME * 10.0**k for k in range(decades + 1))]
        axes.set_yscale("symlog", linthresh=_SAME)
        axes.set_yticks(ticks, [value_of(t) for t in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.3 * _SAME, 2 * ticks[-1])
        band = axes.axhspan(-_SAME, _SAME, color="0.93", zorder=0)
        notes: list[tuple[Any, str]] = [(band, f"below {_SAME:g}: the same")]
        if not done.all():
            sample = Line2D(
                [], [], linestyle="none", marker="o", markerfacecolor="none", color="0.3"
            )
            notes.append((sample, "open: some fits\nnot converged"))
        axes.set_xlabel("mean time of a fit  [s]")
        axes.set_ylabel("mean NLL above the lowest of all solvers")
        legend(axes, ("solver (problems)", entries), ("", notes))
        return save(figure, *paths)
