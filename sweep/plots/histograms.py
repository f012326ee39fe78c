"""Recovered spectral parameters of all pixels against those of the input sky."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm

from sweep.errors import ConfigError
from sweep.plots.names import parameter_label
from sweep.plots.style import COLOURS, SEQUENTIAL, save, style

_BINS = 40

_EDGE = (0.5, 99.5)
"""Per cent of the recovered values between which axes reach; the truth is shown whole."""


def plot_histograms(
    values: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    *paths: str | Path,
    note: str = "",
) -> Path:
    """Draw how parameters are distributed over pixels, and recovered against true values.

    Args:
        values: what `sweep.statistics.maps.parameter_maps` returns.
        truth: what `sweep.statistics.maps.true_parameter_maps` returns.
        paths: pictures to write; their endings choose the formats.
        note: why the fit is not to be trusted; its line is then dashed, and the legend says so.

    Raises:
        ConfigError: the sky has no true parameters, or a picture cannot be written.
    """
    if not truth:
        raise ConfigError("the sky has no maps of its true parameters to compare with")
    with style() as layout:
        figure = layout.blank((3.4 * len(truth) + 0.9, 6.6), 1.6 * len(truth) + 0.6)
        if layout.narrow:
            above, below = figure.subplots(len(truth), 2, squeeze=False).T
        else:
            above, below = figure.subplots(2, len(truth), squeeze=False)
        norm = LogNorm(1.0, 10.0)  # grows with the panels
        entries: list[tuple[Any, str]] = []
        for upper, lower, parameter in zip(above, below, truth, strict=True):
            seen = (values[parameter] != hp.UNSEEN) & (truth[parameter] != hp.UNSEEN)
            true, fitted = truth[parameter][seen], values[parameter][seen]
            edges = np.linspace(*_limits(true, fitted), _BINS + 1)
            entries = _distributions(upper, true, fitted, edges, note)
            upper.set_xlabel(parameter_label(parameter))
            upper.set_ylabel("share of the pixels")
            _against(lower, true, fitted, edges, norm)
            lower.set_xlabel(f"true {parameter_label(parameter)}")
            lower.set_ylabel(f"recovered {parameter_label(parameter)}")
        handles, texts = zip(*entries, strict=True)
        figure.legend(handles, texts, loc="outside upper left", ncols=len(entries))
        where: dict[str, Any] = {"ax": list(below), "aspect": 25}
        if layout.narrow:
            where = {"ax": figure.axes, "location": "bottom", "aspect": 40}
        figure.colorbar(ScalarMappable(norm, SEQUENTIAL), label="pixels", **where)
        return save(figure, *paths)


def _limits(true: np.ndarray, fitted: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(fitted, _EDGE)
    low, high = min(low, true.min()), max(high, true.max())
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def _distributions(
    axes: Axes, true: np.ndarray, fitted: np.ndarray, edges: np.ndarray, note: str
) -> list[tuple[Any, str]]:
    shares = (np.histogram(values, edges)[0] / true.size for values in (true, fitted))
    filled = axes.stairs(next(shares), edges, fill=True, color="0.75")
    dash = "--" if note else "-"
    line = axes.stairs(next(shares), edges, color=COLOURS[0], linewidth=1.6, linestyle=dash)
    axes.set_xlim(edges[0], edges[-1])
    return [(filled, "true"), (line, f"recovered ({note})" if note else "recovered")]


def _against(
    axes: Axes, true: np.ndarray, fitted: np.ndarray, edges: np.ndarray, norm: LogNorm
) -> None:
    counts, _, _, mesh = axes.hist2d(true, fitted, (edges, edges), cmap=SEQUENTIAL, cmin=1)
    norm.vmax = max(float(norm.vmax or 1.0), float(np.nanmax(counts)))
    mesh.set_norm(norm)
    ends = [edges[0], edges[-1]]
    axes.plot(ends, ends, color=COLOURS[1], linewidth=1.0, linestyle="--")
