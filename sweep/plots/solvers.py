"""Solvers compared: how low each came, and how long it took."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from sweep.errors import ConfigError
from sweep.plots.labels import number_text
from sweep.plots.legends import NOT_CONVERGED, legend, sample_of_open
from sweep.plots.metrics import as_published, unconverged
from sweep.plots.names import value_of
from sweep.plots.style import MARKERS, colours, save, style
from sweep.statistics.selection import best
from sweep.statistics.summary import settings, varying

_SAME = 1e-3
"""NLL is -2 ln L: below it solutions are the same, 0.03 of their error apart; there the axis is
linear."""


def solver_table(ds: xr.Dataset) -> Any:
    """Experiments that differ only in their solver, compared.

    Args:
        ds: what `sweep.open` returns.

    Returns:
        `sweep.statistics.selection.best` by `nll` among the experiments of each problem, so that
        `delta_to_best` is the mean NLL above the lowest mean of all solvers; `named`, the solver
        and those of its settings that differ, and `variant`, those settings alone. Problems that
        one solver alone has tried are left out.

    Raises:
        ConfigError: no problem has usable fits of two solvers.
    """
    keys = settings(ds)
    mine = [key for key in keys if key.split(".")[0] == "solver"]
    frame: Any = pd.DataFrame({key: ds[key].values for key in keys})
    shown = varying(frame, mine)
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
    variants = [
        ", ".join(f"{k.removeprefix('solver.')}={value_of(row[k])}" for k in shown if k != "solver")
        for _, row in table.iterrows()
    ]
    solvers = [str(s) for s in table["solver"]] if "solver" in shown else [""] * len(table)
    named = [", ".join(filter(None, pair)) for pair in zip(solvers, variants, strict=True)]
    return table.assign(named=named, variant=variants)


def plot_solvers(table: Any, *paths: str | Path) -> Path:
    """Draw the NLL above the lowest against the time of a fit: a marker for every problem.

    Colours are the solvers, and the shapes of markers their settings where these differ. Markers
    are open where not every fit met the tolerance of its solver.

    Args:
        table: what `solver_table` returns.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    early = unconverged(table)
    with style() as layout:
        figure = layout.blank((6.8, 4.2), 2.6)
        axes = figure.subplots()
        entries: list[tuple[Any, str]] = []
        for name, (colour, marker) in _markers(table).items():
            here = (table["named"] == name).to_numpy()
            axes.scatter(
                table["seconds"][here],
                table["delta_to_best"][here],
                s=40 * layout.size**2,
                marker=marker,
                facecolors=["none" if e else colour for e in early[here]],
                edgecolors=[colour if e else "white" for e in early[here]],
                linewidths=[1.2 if e else 0.5 for e in early[here]],
            )
            sample = Line2D([], [], linestyle="none", marker=marker, color=colour)
            entries.append((sample, f"{name} ({np.count_nonzero(here)})"))
        axes.set_xscale("log")
        decades = max(1, int(np.ceil(np.log10(table["delta_to_best"].max() / _SAME + 1e-9))))
        ticks = [0.0, *(_SAME * 10.0**k for k in range(decades + 1))]
        axes.set_yscale("symlog", linthresh=_SAME)
        axes.set_yticks(ticks, [number_text(t) for t in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.3 * _SAME, 2 * ticks[-1])
        band = axes.axhspan(-_SAME, _SAME, color="0.93", zorder=0)
        notes: list[tuple[Any, str]] = [(band, f"below {_SAME:g}: the same")]
        if early.any():
            notes.append((sample_of_open(), f"open: {NOT_CONVERGED}"))
        axes.set_xlabel("mean time of a fit  [s]")
        axes.set_ylabel("mean NLL, delta to best of all solvers")
        legend(axes, ("solver (problems)", entries), ("", notes))
        return save(figure, *paths)


def _markers(table: Any) -> dict[str, tuple[Any, str]]:
    """Colour and marker of everything that is `named`: of its solver, and of its variant."""
    rows = table.drop_duplicates("named")
    solvers = [str(s) for s in rows["solver"]] if "solver" in rows else [""] * len(rows)
    of_solver = list(dict.fromkeys(solvers))
    of_variant = list(dict.fromkeys(rows["variant"]))
    shades = colours(len(of_solver))
    markers = {}
    for name, solver, variant in zip(rows["named"], solvers, rows["variant"], strict=True):
        i = of_solver.index(solver)
        place = of_variant.index(variant) if len(of_variant) > 1 else i
        markers[name] = shades[i], MARKERS[place % len(MARKERS)]
    return markers
