"""Labels of axes: every axis has at least two, and none touch."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import (
    AutoLocator,
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    LogFormatter,
    MaxNLocator,
    NullFormatter,
)

from sweep.plots.names import letters_in, wrapped

_APART = 2.0
"""Points that are free between two labels."""

_SHORT = (1e-3, 1e4)
"""Numbers between which labels have no powers of ten."""


def mend_labels(figure: Figure) -> None:
    """Put more labels where an axis has fewer than two, and leave some out where they touch.

    Titles and names of axes that are longer than their panel get more lines.

    An axis without labels by intention, as the short one of a colour bar, stays so.
    """
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _hold(axis)
        _break_title(axes)
        for axis in (axes.xaxis, axes.yaxis):
            if axes.axison and has_labels(axis):
                _plain_powers(axis)
                if len(labels_of(axis)) < 2:
                    _more(axis)
                _fewer(axis)
                _break(axis)


def _hold(axis: Axis) -> None:
    """Keep the number of labels, which else follows the room, which follows the labels."""
    locator = axis.get_major_locator()
    if isinstance(locator, AutoLocator):
        locator.set_params(nbins=len(labels_of(axis)) + 1)


def has_labels(axis: Axis) -> bool:
    """Whether an axis is meant to have labels."""
    shown = axis.get_tick_params()
    sides = ("labelbottom", "labeltop", "labelleft", "labelright")
    anything = bool(len(axis.get_majorticklocs()) or len(axis.get_minorticklocs()))
    return axis.get_visible() and any(shown.get(side) for side in sides) and anything


def labels_of(axis: Axis) -> list[tuple[float, Text]]:
    """Labels in view, by their places, ascending; drawn once before."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * (high - low)
    return sorted(
        (
            (float(tick.get_loc()), label)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
            for label in (tick.label1, tick.label2)
            if label.get_visible()
            and label.get_text()
            and low - slack <= tick.get_loc() <= high + slack
        ),
        key=lambda found: found[0],
    )


def number_text(value: float) -> str:
    """A number as a label: in powers of ten where it would be long."""
    if value == 0 or _SHORT[0] <= abs(value) < _SHORT[1]:
        return f"{value:g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = rf"10^{{{int(exponent)}}}"
    digits = f"{float(mantissa):g}"
    return f"${power}$" if digits == "1" else rf"${digits} \times {power}$"


def _more(axis: Axis) -> None:
    low, high = sorted(axis.get_view_interval())
    _put(axis, _between(low, high, axis.get_scale() == "log"))


def _put(axis: Axis, values: list[float]) -> None:
    axis.set_ticks(values, labels=[number_text(v) for v in values])
    axis.set_minor_formatter(NullFormatter())
    _draw(axis)


def _between(low: float, high: float, logarithmic: bool) -> list[float]:
    """Two or more round numbers between two."""
    if logarithmic:
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        for parts in ((1,), (1, 3), (1, 2, 5)):
            values = [float(f"{p}e{d}") for d in decades for p in parts]
            if len(inside := [v for v in values if low <= v <= high]) >= 2:
                return inside
    for count in (3, 4, 6, 10, 20):
        values = [float(v) for v in MaxNLocator(count).tick_values(low, high)]
        if len(inside := [float(f"{v:.6g}") for v in values if low <= v <= high]) >= 2:
            return inside
    return [low, high]


def _plain_powers(axis: Axis) -> None:
    """Write 10 for 10^1, whose exponent would be small, where all labels are short so."""
    places = [place for place, _ in labels_of(axis)]
    powers = isinstance(axis.get_major_formatter(), LogFormatter)
    if powers and places and all(_SHORT[0] <= place < _SHORT[1] for place in places):
        axis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value)))


def _break(axis: Axis) -> None:
    """Two lines for a label that is longer than its axis."""
    label = axis.label
    box, panel = label.get_window_extent(), axis.axes.get_window_extent()
    vertical = axis is axis.axes.yaxis
    along = (box.height, panel.height) if vertical else (box.width, panel.width)
    room = 1.25 if axis.axes.get_label() == "<colorbar>" else 1.0  # shorter than its panel
    if along[0] > room * along[1] and "\n" not in (text := label.get_text()):
        lengths = range(letters_in(text) // 2, letters_in(text))
        two = (wrapped(text, letters) for letters in lengths)
        label.set_text(next((lines for lines in two if lines.count("\n") == 1), text))


def _break_title(axes: Axes) -> None:
    """As many lines as a title needs to stay over its panel."""
    for title in (axes.title, axes._left_title):  # pyright: ignore[reportAttributeAccessIssue]
        if text := title.get_text():
            box, panel = title.get_window_extent(), axes.get_window_extent()
            if box.width > panel.width:
                longest = max(letters_in(line) for line in text.split("\n"))
                title.set_text(wrapped(text, int(longest * panel.width / box.width)))


def _fewer(axis: Axis) -> None:
    """Every second label, until none touch; the last two are those that are furthest apart."""
    formatter = axis.get_major_formatter()
    while len(labels := labels_of(axis)) > 2 and _touch([text for _, text in labels]):
        kept = labels[::2]
        places, texts = [p for p, _ in kept], [t.get_text() for _, t in kept]
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_locator(FixedLocator(places))
        if isinstance(formatter, FixedFormatter) or len(set(texts)) < len(texts):
            axis.set_major_formatter(FixedFormatter(texts))
        _draw(axis)
    if len(labels) == 2 and _touch([text for _, text in labels]):
        low, high = sorted(axis.get_view_interval())
        values = [v for v in MaxNLocator(10).tick_values(low, high) if low <= v <= high]
        _put(axis, [float(f"{v:.6g}") for v in (values[0], values[-1])])


def _draw(axis: Axis) -> None:
    figure = axis.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()


def _touch(texts: list[Text]) -> bool:
    figure = texts[0].get_figure(root=True)
    assert figure is not None
    boxes = [text.get_window_extent().padded(_APART / 2 * figure.dpi / 72) for text in texts]
    return any(one.overlaps(other) for one, other in pairwise(boxes))
