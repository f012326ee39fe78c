"""Likelihoods of the tensor-to-scalar ratio r."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sweep.plots.style import blank, colours, save, style
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
    with style():
        rows = 0.24 * len(found) + 0.3
        figure = blank(6.8, 3.4 + rows)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.0, rows])
        for i, (ratio, colour) in enumerate(zip(found.values(), colours(len(found)), strict=True)):
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
            text = f"${r:.2f}^{{+{plus:.2f}}}_{{-{minus:.2f}}}$"
            below.text(1.02, i, text, va="center", transform=below.get_yaxis_transform())
        below.text(1.02, -0.9, r"$r$  [$10^{-3}$]", transform=below.get_yaxis_transform())
        for axes in (top, below):
            axes.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
        seen = np.concatenate([r.grid[r.likelihood > _LOWEST] for r in found.values()]) / _UNIT
        top.set_xlim(seen.min(), seen.max())
        top.set_ylim(0.0, 1.05)
        top.set_ylabel("likelihood / maximum")
        below.set_yticks(range(len(found)), list(found))
        below.set_ylim(len(found) - 0.4, -0.6)
        below.tick_params(axis="y", length=0)
        below.spines["left"].set_visible(False)
        below.set_xlabel(r"tensor-to-scalar ratio $r$ of the residuals  [$10^{-3}$]")
        return save(figure, *paths)
