"""How every picture looks, and how it is written."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from sweep.errors import ConfigError

# Okabe & Ito (2008): told apart by every kind of colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")

SEQUENTIAL = "viridis"
"""Colours of what has a size, for every kind of colour vision."""

DIVERGING = "RdBu_r"
"""Colours of what has a sign; symmetric about 0."""

GREY = "0.82"
"""Where there is nothing: pixels outside the mask, experiments that were not run."""

MOST_ENTRIES = 8
"""Longer legends are cut, or become a colour bar."""

UK2 = r"$\mu\mathrm{K}^2$"
UK_CMB = r"$\mu\mathrm{K_{CMB}}$"
UK2_CMB = r"$\mu\mathrm{K^2_{CMB}}$"

_RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.formatter.use_mathtext": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "errorbar.capsize": 2.5,
    "pdf.fonttype": 42,  # text of a PDF stays text
    "svg.hashsalt": "skysweep",  # the same picture is the same file
}


def style() -> AbstractContextManager[None]:
    """What drawing and writing of a picture happen in."""
    return mpl.rc_context(_RC)


def blank(width: float, height: float) -> Figure:
    """A figure whose parts make room for each other; inches."""
    return Figure(
        figsize=(width, height),
        layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.03),
    )


def save(figure: Figure, *paths: str | Path) -> Path:
    """Write a picture to every path; their endings choose the formats.

    Returns:
        The first path.

    Raises:
        ConfigError: a file cannot be written, or no format has its ending.
    """
    for path in paths:
        try:
            figure.savefig(path, dpi=200)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"the picture {path} cannot be written: {reason}") from error
    return Path(paths[0])


def shades(count: int) -> list[Any]:
    """Colours of ordered things, from dark to light; none too light for a line."""
    return list(mpl.colormaps[SEQUENTIAL]([i / max(count - 1, 1) * 0.87 for i in range(count)]))


def colours(count: int) -> list[Any]:
    """Colours of some things: clearly different ones, as long as there are enough."""
    return list(COLOURS[:count]) if count <= len(COLOURS) else shades(count)


def legend(axes: Axes, *sections: tuple[str, Sequence[tuple[Artist, str]]]) -> None:
    """A legend beside a panel, where it covers nothing.

    Args:
        axes: the panel.
        sections: a heading, may be empty, and its entries; cut where they are too many.
    """
    rows: list[tuple[Artist, str]] = []
    for heading, entries in sections:
        if heading:
            rows.append((_nothing(), heading))
        cut = len(entries) if len(entries) <= MOST_ENTRIES else MOST_ENTRIES - 1
        rows.extend(entries[:cut])
        if cut < len(entries):
            rows.append((_nothing(), f"and {len(entries) - cut} more"))
    axes.legend(
        [handle for handle, _ in rows],
        [text for _, text in rows],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
    )


def _nothing() -> Line2D:
    return Line2D([], [], linestyle="none")
