"""What is on a figure, and whether it can be read."""

from itertools import combinations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from sweep.plots.labels import has_labels, labels_of
from sweep.types import Status


def bars(axes: Axes) -> list[ErrorbarContainer]:
    """Lines with error bars."""
    return [c for c in axes.containers if isinstance(c, ErrorbarContainer)]


def xy(container: ErrorbarContainer) -> np.ndarray:
    """The points of a line with error bars, shape (2, point)."""
    line = container.lines[0]
    assert line is not None
    return np.array([line.get_xdata(), line.get_ydata()], dtype=float)


def ends(container: ErrorbarContainer) -> np.ndarray:
    """Lower and upper ends of error bars, shape (point, 2)."""
    (segments,) = container.lines[2]
    return np.array(segments.get_segments())[:, :, 1]


def legend_texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def colour(artist) -> str:  # noqa: ANN001
    return to_hex(artist.get_color())


def many(ds: xr.Dataset, count: int, **settings: list) -> xr.Dataset:
    """As many experiments as asked for, with settings of their own."""
    wide = ds.isel(experiment=np.arange(count) % ds.sizes["experiment"])
    labels = np.array([f"{i:08x}" * 8 for i in range(count)], dtype=object)
    wide = wide.assign_coords(identity=("experiment", labels)).drop_vars("solver.max_steps")
    coordinates = {
        name.replace("__", "."): ("experiment", np.array(values, dtype=type(values[0])))
        for name, values in settings.items()
    }
    return wide.assign_coords(coordinates)


def converged(ds: xr.Dataset) -> xr.Dataset:
    """The same, of fits that all converged."""
    return ds.assign(status=xr.full_like(ds["status"], int(Status.CONVERGED)))


def texts_of(figure: Figure) -> list[Text]:
    """Every text that can be seen; the figure was drawn once."""
    found = [*figure.texts, *([figure._suptitle] if figure._suptitle else [])]  # pyright: ignore[reportAttributeAccessIssue]
    legends = [*figure.legends]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]  # pyright: ignore[reportAttributeAccessIssue]
        legends += [legend] if (legend := axes.get_legend()) is not None else []
        for axis in (axes.xaxis, axes.yaxis):
            if axes.axison and axis.get_visible():
                found += [axis.label, *(label for _, label in labels_of(axis))]
    for legend in legends:
        found += [*legend.get_texts(), legend.get_title()]
    return list({id(t): t for t in found if t.get_visible() and t.get_text()}.values())


def check_texts(figure: Figure, smallest: float) -> None:
    """No two texts lie over each other, none is too small, every axis has two labels."""
    texts = texts_of(figure)
    for text in texts:
        assert float(text.get_fontsize()) >= smallest, text.get_text()
    boxes = [(_shrunk(text.get_window_extent()), text.get_text()) for text in texts]
    for (one, this), (other, that) in combinations(boxes, 2):
        assert not one.overlaps(other), (this, that)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axes.axison and has_labels(axis):
                assert len(labels_of(axis)) >= 2, axes


def check_layout(figure: Figure) -> None:
    """Every text is inside the figure, no tick labels touch, no legend covers a panel."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    whole = Bbox([[-1, -1], [figure.bbox.width + 1, figure.bbox.height + 1]])
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            labels = [
                t.label1
                for t in ticks
                if t.label1.get_visible() and t.label1.get_text() and low <= t.get_loc() <= high
            ]
            if axes.axison and axis.get_visible():
                boxes = [label.get_window_extent(renderer) for label in labels]
                assert all(_inside(box, whole) for box in boxes)
                assert not any(one.overlaps(other) for one, other in combinations(boxes, 2)), [
                    label.get_text() for label in labels
                ]
                assert _inside(axis.label.get_window_extent(renderer), whole)
        for text in axes.texts:
            assert _inside(text.get_window_extent(renderer), whole), text.get_text()
        if (legend := axes.get_legend()) is not None:
            box = legend.get_window_extent(renderer)
            assert _inside(box, whole)
            assert not any(box.overlaps(_shrunk(other.bbox)) for other in figure.axes)
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        assert _inside(box, whole)
        assert not any(box.overlaps(_shrunk(other.bbox)) for other in figure.axes)


def _inside(box: Bbox, whole: Bbox) -> bool:
    return bool(
        box.x0 >= whole.x0 and box.y0 >= whole.y0 and box.x1 <= whole.x1 and box.y1 <= whole.y1
    )


def _shrunk(box) -> Bbox:  # noqa: ANN001
    return Bbox([[box.x0 + 1, box.y0 + 1], [box.x1 - 1, box.y1 - 1]])
