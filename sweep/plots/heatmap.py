"""A metric over two cluster counts."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch, Rectangle

from sweep.errors import ConfigError
from sweep.plots.legends import NOT_CONVERGED, fill_open, sample_of_open
from sweep.plots.metrics import MASK, by_mask, counts_of, label_of, metric_table
from sweep.plots.names import COUNTS, count_ticks, name_of, value_of
from sweep.plots.style import COLOURS, GREY, HATCH, SEQUENTIAL, save, style
from sweep.statistics.summary import settings, varying

_MOST_NUMBERS = 80
"""A heat map of more cells does not write their values."""

_MOST_TICKS = 16

_COLUMN_CELLS = 2.2
"""Inches of all cells of a row, in a column of a paper."""

_DENSE = 0.4
"""Share of the pairs of counts that must have been run to draw cells."""


def plot_heatmap(ds: xr.Dataset, *paths: str | Path, metric: str = "cmb_variance") -> Path:
    """Draw a metric over the two cluster counts with most values, a panel for every mask.

    Where several experiments share a cell, as those of several solvers do, it shows the best of
    those that converged, or of all if none did; then it is hatched. The lowest cell of those that
    converged has a frame; cells without an experiment are grey. Where most pairs of counts were not
    run, as in a random search, it has points instead of cells, open instead of hatched.

    Args:
        ds: what `sweep.open` returns.
        paths: pictures to write; their endings choose the formats.
        metric: one of `METRICS`.

    Raises:
        ConfigError: no experiment has what the metric needs, fewer than two counts were swept, or
            a picture cannot be written.
    """
    table = metric_table(ds, metric)
    counts = sorted(counts_of(table), key=lambda key: -table[key].nunique())[:2]
    swept = [key for key in counts if table[key].nunique() > 1]
    if len(swept) < 2:
        raise ConfigError(
            f"a heat map needs two swept cluster counts, there is {len(swept)}: sweep two of "
            f"{', '.join(COUNTS)}"
        )
    masks, rules = by_mask(table), list(table["clusters"])
    others = [k for k in varying(table, settings(ds)) if k not in swept]
    others = [k for k in others if k != MASK or len(masks) == 1]
    early = bool(table["unconverged"].any())
    word = "lowest converged over" if early else "lowest over"
    best_of = f"{word} {', '.join(name_of(k, rules) for k in others)}" if others else ""
    with style() as layout:
        size = [table[key].nunique() for key in swept]
        width, height = (max(3.6, 0.78 * size[0]), max(2.8, 0.42 * size[1]))
        whole = ((min(width, 8) + 1.8) * len(masks), min(height, 6) + 1.0)
        figure, panels = layout.stack(1, len(masks), whole, 2.4)
        hatched = dense = False
        room = _COLUMN_CELLS if layout.narrow else min(width, 8)
        for axes, (mask, part) in zip(panels[0], masks.items(), strict=True):
            lowest = part.sort_values(["unconverged", "value"], kind="stable").groupby(
                [swept[1], swept[0]]
            )
            cells = lowest["value"].first().unstack()
            stopped = lowest["unconverged"].first().unstack().to_numpy() == True  # noqa: E712, NaN
            dense = cells.notna().to_numpy().mean() >= _DENSE
            if dense:
                image = _cells(axes, cells, stopped, room / len(cells.columns))
            else:
                image = _points(axes, cells, stopped)
            hatched |= bool(stopped.any())
            figure.colorbar(image, ax=axes, label=label_of(metric, table))
            axes.set_xlabel(name_of(swept[0], rules))
            axes.set_ylabel(name_of(swept[1], rules))
            axes.set_title("\n".join(text for text in (mask, best_of) if text), loc="left")
        if hatched:
            figure.legend(
                handles=[_sample(dense)],
                loc="outside lower left",
                borderaxespad=0.2,
            )
            layout.grow(figure, 0.2)
        return save(figure, *paths)


def _lowest(values: np.ma.MaskedArray, early: np.ndarray) -> int:
    """Place of the lowest of the values of converged fits, or of all if there are none."""
    through = np.ma.masked_where(early, values)
    return int(np.ma.argmin(through if through.count() else values))


def _sample(dense: bool) -> Artist:
    if not dense:
        sample = sample_of_open()
        sample.set_label(f"open: {NOT_CONVERGED}")
        return sample
    return Patch(facecolor="0.8", edgecolor="0.2", hatch=HATCH, label=f"hatched: {NOT_CONVERGED}")


def _cells(axes: Axes, cells: Any, early: np.ndarray, room: float) -> ScalarMappable:
    """A field for every pair of counts, with its value where that fits into some inches."""
    values = np.ma.masked_invalid(cells.to_numpy())
    axes.set_facecolor(GREY)
    mesh = axes.pcolormesh(values, cmap=SEQUENTIAL, edgecolors="white", linewidth=0.5)
    row, column = np.unravel_index(_lowest(values, early), values.shape)
    frame = {"fill": False, "edgecolor": COLOURS[1], "linewidth": 2.5, "clip_on": False}
    axes.add_patch(Rectangle((float(column), float(row)), 1, 1, **frame))
    for i, j in np.argwhere(early):
        lines = {"fill": False, "hatch": HATCH, "edgecolor": "0.6", "linewidth": 0.0}
        axes.add_patch(Rectangle((float(j), float(i)), 1, 1, **lines))
    for axis, names in ((axes.xaxis, cells.columns), (axes.yaxis, cells.index)):
        some = range(0, len(names), -(-len(names) // _MOST_TICKS))
        axis.set_ticks([i + 0.5 for i in some], [value_of(names[i]) for i in some])
    axes.tick_params(length=0)
    if values.size <= _MOST_NUMBERS:
        low, high = float(values.min()), float(values.max())
        decimals = int(np.clip(np.ceil(2 - np.log10(high - low or 1.0)), 0, 6))
        texts = {at: f"{value:.{decimals}f}" for at, value in np.ma.ndenumerate(values)}
        letter = 0.65 * mpl.rcParams["ytick.labelsize"] / 72
        if max(map(len, texts.values())) * letter > room:
            return mesh
        for (i, j), text in texts.items():
            colour = "white" if values[i, j] <= (low + high) / 2 else "black"
            behind = {"facecolor": mesh.to_rgba(values[i, j]), "edgecolor": "none", "pad": 1.0}
            axes.text(
                *(j + 0.5, i + 0.5, text),
                ha="center",
                va="center",
                color=colour,
                size=mpl.rcParams["ytick.labelsize"],
                bbox=behind if early[i, j] else None,
            )
    return mesh


def _points(axes: Axes, cells: Any, early: np.ndarray) -> ScalarMappable:
    """A point for every pair of counts that was run: most were not."""
    values: Any = cells.stack().dropna()
    open_ = early[cells.notna().to_numpy()]
    y, x = (values.index.get_level_values(level) for level in (0, 1))
    points = axes.scatter(x, y, c=values, cmap=SEQUENTIAL, s=45, edgecolors="0.3", linewidths=0.5)
    fill_open(points, open_)
    best = _lowest(np.ma.array(values), open_)
    frame = {"facecolors": "none", "edgecolors": COLOURS[1], "linewidths": 2.2}
    axes.scatter(x[best], y[best], s=130, **frame)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_yscale("symlog", linthresh=1)
    axes.minorticks_off()
    for axis, counts in ((axes.xaxis, x), (axes.yaxis, y)):
        ticks = count_ticks(counts)
        axis.set_ticks(ticks, [value_of(t) for t in ticks])
    return ScalarMappable(points.norm, SEQUENTIAL)
