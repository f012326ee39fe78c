"""Bias against variance: systematic against statistical residual, with the Pareto front."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sweep.estimators import NAMES
from sweep.plots.legends import MOST_ENTRIES, NOT_CONVERGED, fill_open, sample_of_open
from sweep.plots.metrics import MASK
from sweep.plots.names import COUNTS, count_ticks, name_of, value_of, with_unit
from sweep.plots.style import COLOURS, DASHES, MARKERS, SEQUENTIAL, save, style
from sweep.quantities.table import COLUMNS

_MOST_DECADES = 1.0
"""Axes of a wider range are logarithmic."""


def plot_front(table: Any, *paths: str | Path) -> Path:
    """Draw every experiment by its two parts of the residual variance, and join the Pareto fronts.

    Colours are the cluster count with most values, markers and dashes the masks, each of which has
    its own front. Markers are open where fits did not converge, if the table has `unconverged`.
    Along a dotted line the sum of the two parts is the same.

    Args:
        table: what `sweep.statistics.front.front` returns.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    counts = [key for key in COUNTS if key in table and table[key].nunique() > 1]
    key = max(counts, key=lambda k: table[k].nunique(), default=None)
    with style() as layout:
        figure = layout.blank((6.4, 4.8), 3.2)
        axes = figure.subplots()
        norm = None
        if key is not None:  # multires has nside 0: one cluster for all
            norm = LogNorm(max(table[key].min(), 0.5), table[key].max())
        entries: list[Line2D] = []
        for i, (mask, part) in enumerate(table.groupby(MASK, sort=True)):
            line: dict[str, Any] = {"marker": MARKERS[i % len(MARKERS)]}
            colours = COLOURS[0] if key is None else part[key].clip(lower=0.5)
            _points(axes, part, line["marker"], colours, norm, 38 * layout.size**2)
            line["linestyle"] = DASHES[i % len(DASHES)]
            _front(axes, part[part["on_front"]], line["linestyle"])
            named = f"front of mask {mask}" if table[MASK].nunique() > 1 else "Pareto front"
            entries.append(
                Line2D([], [], color="black", markerfacecolor="0.6", label=named, **line)
            )
        _scales(axes, table)
        _sums(axes)
        if len(entries) > MOST_ENTRIES:
            more = f"and {len(entries) - MOST_ENTRIES + 1} more"
            entries[MOST_ENTRIES - 1 :] = [Line2D([], [], linestyle="none", label=more)]
        entries.append(Line2D([], [], color="0.6", linestyle=":", label="equal sum"))
        if "unconverged" in table and table["unconverged"].any():
            sample = sample_of_open()
            sample.set_label(f"open: {NOT_CONVERGED}")
            entries.append(sample)
        systematic, statistical = COLUMNS["systematic"], COLUMNS["statistical"]
        axes.set_xlabel(with_unit(f"{systematic.label}, {_estimators(table)}", systematic.unit))
        axes.set_ylabel(with_unit(statistical.label, statistical.unit))
        if key is not None:
            bar = figure.colorbar(ScalarMappable(norm, SEQUENTIAL), ax=axes, aspect=30)
            bar.set_label(name_of(key, list(table["clusters"])))
            ticks = count_ticks(table[key])
            bar.set_ticks([max(t, 0.5) for t in ticks], labels=[value_of(t) for t in ticks])
            bar.minorticks_off()
        columns = 2 if layout.narrow else 3
        figure.legend(handles=entries, loc="outside upper left", ncols=columns)
        layout.grow(figure, 0.14 * (len(entries) // columns))
        return save(figure, *paths)


def _estimators(table: Any) -> str:
    return " and ".join(NAMES[e] for e in sorted(set(table["estimator"])))


def _points(
    axes: Axes, part: Any, marker: str, colours: Any, norm: LogNorm | None, size: float
) -> None:
    axes.errorbar(
        part["systematic"],
        part["statistical"],
        yerr=part["statistical_error"],
        linestyle="none",
        color="0.7",
        linewidth=0.8,
        capsize=0,
        zorder=1,
    )
    points = axes.scatter(
        part["systematic"],
        part["statistical"],
        c=colours,
        norm=norm,
        cmap=None if norm is None else SEQUENTIAL,
        marker=marker,
        s=size,
        edgecolors="black",
        linewidths=[1.3 if on else 0.3 for on in part["on_front"]],
        zorder=3,
    )
    if "unconverged" in part:
        fill_open(points, part["unconverged"].to_numpy(bool))


def _front(axes: Axes, part: Any, dash: str) -> None:
    """Steps: between two points of the front nothing lies below and to the left of them."""
    part = part.sort_values("systematic")
    axes.step(part["systematic"], part["statistical"], where="post", color="black", linestyle=dash)


def _scales(axes: Axes, table: Any) -> None:
    for name, axis in (("systematic", axes.xaxis), ("statistical", axes.yaxis)):
        low, high = table[name].min(), table[name].max()
        if low > 0 and np.log10(high / low) > _MOST_DECADES:
            getattr(axes, f"set_{axis.axis_name}scale")("log")
        else:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # labels of more may touch


def _sums(axes: Axes) -> None:
    """Lines of equal sum behind the points, where limits are already set by them."""
    x_limits, y_limits = axes.get_xlim(), axes.get_ylim()
    x, y = np.meshgrid(_spread(*x_limits), _spread(*y_limits))
    axes.contour(x, y, x + y, levels=6, colors="0.75", linestyles=":", linewidths=0.9, zorder=0)
    axes.set_xlim(x_limits)
    axes.set_ylim(y_limits)


def _spread(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 200)
