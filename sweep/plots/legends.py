"""Legends beside panels, in a column below them, and open markers of fits that did not converge."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from sweep.plots.names import letters_in, wrapped
from sweep.plots.style import Layout, style

MOST_ENTRIES = 8
"""Longer legends are cut, or become a colour bar."""

NOT_CONVERGED = "some fits not converged"
"""What legends call experiments whose fits did not all meet the tolerance of their solver."""

_LETTERS = 42
"""Of a legend that fit into a column."""

_LINE = 0.125
"""Inches that a line of a legend takes in a column."""

_Rows = list[tuple[Artist, str]]

_Section = tuple[str, Sequence[tuple[Artist, str]]]
"""A heading and entries."""


def legend(axes: Axes, *sections: _Section) -> None:
    """A legend beside a panel, in a column of a paper below it, where it covers nothing.

    Args:
        axes: the panel.
        sections: a heading, may be empty, and its entries; cut where they are too many.
    """
    sections = tuple((heading, entries) for heading, entries in sections if heading or entries)
    with style() as layout:
        if layout.narrow:
            _below(axes, sections, layout)
            return
    rows = [row for section in sections for row in _rows(*section)]
    axes.legend(
        [handle for handle, _ in rows],
        [text for _, text in rows],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
    )


def _rows(heading: str, entries: Sequence[tuple[Artist, str]]) -> _Rows:
    rows: _Rows = [(_nothing(), heading)] if heading else []
    cut = len(entries) if len(entries) <= MOST_ENTRIES else MOST_ENTRIES - 1
    rows.extend(entries[:cut])
    if cut < len(entries):
        rows.append((_nothing(), f"and {len(entries) - cut} more"))
    return rows


def _below(axes: Axes, sections: Sequence[_Section], layout: Layout) -> None:
    """In two columns of about the same length that keep sections together; one alone is cut."""
    heading = ""
    if len(sections) == 1:
        heading, entries = sections[0]
        rows = _rows("", entries)
        short = all(letters_in(text) <= _LETTERS // 6 for _, text in rows)
        columns = max(1, min(len(rows), 4 if short else 2))
        height = -(-len(rows) // columns)
        parts = [rows[i : i + height] for i in range(0, len(rows), height)]
    else:
        parts = [_rows(*section) for section in sections]
        ends = np.cumsum([len(part) for part in parts])
        cut = int(np.argmin(np.maximum(ends, ends[-1] - ends))) + 1
        parts = [sum(some, []) for some in (parts[:cut], parts[cut:]) if some]
    letters = _LETTERS // max(1, len(parts)) - 1
    parts = [[(handle, wrapped(text, letters)) for handle, text in part] for part in parts]
    most = max((len(part) for part in parts), default=0)
    rows = [row for part in parts for row in (*part, *[(_nothing(), "")] * (most - len(part)))]
    figure = axes.get_figure(root=True)
    assert figure is not None
    axes.legend(
        [handle for handle, _ in rows],
        [text for _, text in rows],
        title=heading or None,
        alignment="left",
        ncols=max(1, len(parts)),
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        # below the labels of the axis, whose sizes are known
        bbox_transform=axes.transAxes + ScaledTranslation(-0.3, -0.4, figure.dpi_scale_trans),
        borderaxespad=0.0,
    )
    lines = max((sum(text.count("\n") + 1 for _, text in part) for part in parts), default=0)
    layout.grow(figure, (lines + bool(heading)) * _LINE + 0.1)


def fill_open(points: PathCollection, open_: np.ndarray) -> None:
    """Leave some points of a scatter white inside, their colour about it; colours stay as they are.

    Args:
        points: coloured by numbers.
        open_: bool, shape (point,).
    """
    points.update_scalarmappable()
    colours, widths = points.get_facecolor(), np.resize(points.get_linewidth(), open_.size)
    colours = np.resize(colours, (open_.size, 4))
    edges = np.resize(points.get_edgecolor(), (open_.size, 4))
    points.set_array(None)
    points.set_facecolor(np.where(open_[:, None], 1.0, colours).tolist())
    points.set_edgecolor(np.where(open_[:, None], colours, edges).tolist())
    points.set_linewidth(np.where(open_, np.maximum(widths, 1.2), widths).tolist())


def sample_of_open() -> Line2D:
    """What stands for open markers in a legend."""
    return Line2D([], [], linestyle="none", marker="o", markerfacecolor="white", color="0.3")


def _nothing() -> Line2D:
    return Line2D([], [], linestyle="none")
