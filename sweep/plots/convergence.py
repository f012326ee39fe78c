"""How mean and variance settle with the number of realisations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.ticker import MaxNLocator

from sweep.errors import ConfigError
from sweep.plots.legends import legend
from sweep.plots.names import with_unit
from sweep.plots.style import COLOURS, colours, save, style

_ERRORS = {"mean": "standard_error", "variance": "variance_error"}


def plot_convergence(found: xr.Dataset, names: Sequence[str], *paths: str | Path) -> Path:
    """Draw mean and variance of a number over the first realisations, with their errors.

    Args:
        found: what `sweep.statistics.variance.convergence` returns, of the experiments to show.
        names: of the experiments.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: there are fewer than three usable realisations, or a picture cannot be written.
    """
    if found["usable"].max() < 3:
        raise ConfigError(
            f"convergence needs three usable realisations, there are {int(found['usable'].max())}"
        )
    few = len(names) <= len(COLOURS)
    count = found["count"].values
    with style() as layout:
        figure, grid = layout.stack(1, 2, (9.6, 3.8), 2.0)
        panels = grid[0]
        entries: list[tuple[Any, str]] = []
        for axes, (what, error) in zip(panels, _ERRORS.items(), strict=True):
            about = found[what].attrs
            entries = []
            for i, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
                y = found[what].values[i]
                (line,) = axes.plot(count, y, color=colour, marker="o", markersize=3 * layout.size)
                entries.append((line, name))
                if few:
                    e = found[error].values[i]
                    axes.fill_between(count, y - e, y + e, color=colour, alpha=0.2, linewidth=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("number of realisations")
            axes.set_ylabel(with_unit(about["long_name"], about["units"]))
        if few and len(names) > 1:
            legend(panels[-1], ("", entries))
        else:
            panels[0].set_title(names[0] if few else f"{len(names)} experiments", loc="left")
        return save(figure, *paths)
