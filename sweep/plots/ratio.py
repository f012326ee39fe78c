"""Likelihoods of the tensor-to-scalar ratio r."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from sweep.plots.names import wrapped
from sweep.plots.style import colours, save, style
from sweep.statistics.tensor_ratio import TensorRatio

_UNIT = 1e-3

_LOWEST = 0.005
"""Where likelihoods leave the picture."""


def plot_likelihoods(found: Mapping[str, TensorRatio], *paths: str | Path) -> Path:
    """Draw the likelihood of r of every experiment, and below it best fit and 68 % interval.

    Args:
        found: what `sweep.statistics.tensor_ratio.tensor_ratio` returns, by the names to show.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    with style() as layout:
        # a name stands above its interval: beside it a long one would take the panel's room
        names = [wrapped(name, 32 if layout.narrow else 70) for name in found]
        lines = [name.count("\n") + 2 for name in names]
        places = np.cumsum(lines) - 0.4
        rows = 0.16 * sum(lines) + 0.3
        figure = layout.blank((6.8, 3.4 + rows), 2.2 + rows)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.0, rows])
        shades = colours(len(found))
        rest = zip(found.values(), names, lines, places, shades, strict=True)
        for ratio, name, height, i, colour in rest:
            x = ratio.grid / _UNIT
            r, minus, plus = (value / _UNIT for value in (ratio.r, ratio.minus, ratio.plus))
            low, high = r - minus, r + plus
            top.plot(x, ratio.likelihood, color=colour)
            if len(found) <= 3:
                inside = (x >= low) & (x <= high)
                top.fill_between(
                    x, ratio.likelihood, where=list(inside), color=colour, alpha=0.2, linewidth=0
                )
            below.plot([low, high], [i, i], color=colour, linewidth=2.2, solid_capstyle="butt")
            below.plot([r], [i], color=colour, marker="o")
            text = f"{r:.2f} +{plus:.2f} \N{MINUS SIGN}{minus:.2f}"
            where: dict[str, Any] = {"transform": below.get_yaxis_transform()}
            where: dict[str, Any] = {"transform": below.get_yaxis_transform(), "va": "top"}
            where["size"] = mpl.rcParams["legend.fontsize"]
            below.text(0.0, i - height + 0.5, name, **where)
            below.text(1.0, i - height + 0.5, text, ha="right", **where)
        for axes in (top, below):
            axes.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
        seen = np.concatenate([r.grid[r.likelihood > _LOWEST] for r in found.values()]) / _UNIT
        top.set_xlim(seen.min(), seen.max())
        top.set_ylim(0.0, 1.05)
        top.set_ylabel("likelihood / maximum")
        below.set_ylim(sum(lines), 0.0)
        below.yaxis.set_visible(False)
        below.spines["left"].set_visible(False)
        below.set_xlabel(r"tensor-to-scalar ratio of the residuals, $10^3\,r$")
        return save(figure, *paths)
