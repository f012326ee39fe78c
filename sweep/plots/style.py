"""How every picture looks, and how it is written: on a screen, or in a column of a paper."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sweep.errors import ConfigError
from sweep.paths import refuse_address
from sweep.plots.labels import mend_labels

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

HATCH = "////"
"""Over cells and maps of fits that did not converge."""

COLUMN = 3.4
"""Inches of a column of a journal."""

_RC: dict[Any, Any] = {
    "axes.formatter.use_mathtext": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text of a PDF stays text
    "ps.fonttype": 42,
    "svg.hashsalt": "skysweep",  # the same picture is the same file
}

_SCREEN: dict[Any, Any] = {
    "font.size": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "errorbar.capsize": 2.5,
}

# journals ask for 7 pt or more in print
_PAPER: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.borderpad": 0.1,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.3,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
}


@dataclass(frozen=True)
class Layout:
    """A style that pictures are drawn in.

    Attributes:
        column: width of every picture in inches; None where each is as wide as its panels need.
        size: of markers and of what else is not a text, 1 on a screen.
        dpi: pixels an inch of PNG files.
        rc: settings of matplotlib.
    """

    column: float | None
    size: float
    dpi: int
    rc: Mapping[Any, Any]

    @property
    def narrow(self) -> bool:
        """Whether panels are one below the other."""
        return self.column is not None

    def blank(self, wide: tuple[float, float], height: float) -> Figure:
        """A figure whose parts make room for each other.

        Args:
            wide: width and height in inches, on a screen.
            height: in a column, whose width is given.
        """
        pad = 0.03 if self.narrow else 0.06
        return Figure(
            figsize=wide if self.column is None else (self.column, height),
            layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.03, hspace=0.03),
        )

    def stack(
        self, rows: int, columns: int, wide: tuple[float, float], height: float
    ) -> tuple[Figure, np.ndarray]:
        """Panels side by side on a screen, and all one below the other in a column.

        Args:
            rows: of panels.
            columns: of panels.
            wide: width and height of the figure in inches, on a screen.
            height: of a panel in a column.

        Returns:
            The figure and its panels, shape (rows, columns) in both cases.
        """
        figure = self.blank(wide, height * rows * columns)
        if not self.narrow:
            return figure, figure.subplots(rows, columns, squeeze=False)
        return figure, figure.subplots(rows * columns, 1, squeeze=False).reshape(rows, columns)

    def grow(self, figure: Figure, inches: float) -> None:
        """Make a column longer, for what comes below its panels."""
        if self.narrow:
            figure.set_figheight(figure.get_figheight() + inches)


STYLES = {
    "screen": Layout(None, 1.0, 200, _RC | _SCREEN),
    "paper": Layout(COLUMN, 0.7, 600, _RC | _PAPER),
}
"""Styles by name."""

_layout: ContextVar[Layout] = ContextVar("layout", default=STYLES["screen"])


@contextmanager
def style(name: str | None = None) -> Iterator[Layout]:
    """What drawing and writing of a picture happen in.

    Args:
        name: one of `STYLES`; by default that of a `style` around this one, else `screen`.
    """
    layout = _layout.get() if name is None else STYLES[name]
    token = _layout.set(layout)
    try:
        with mpl.rc_context(dict(layout.rc)):
            yield layout
    finally:
        _layout.reset(token)


def save(figure: Figure, *paths: str | Path) -> Path:
    """Write a picture to every path, exactly as large as it is; endings choose the formats.

    Returns:
        The first path.

    Raises:
        ConfigError: a file cannot be written, is an address, or no format has its ending.
    """
    mend_labels(figure)
    for path in paths:
        refuse_address("the picture", path)
        try:
            figure.savefig(path, dpi=_layout.get().dpi)
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
