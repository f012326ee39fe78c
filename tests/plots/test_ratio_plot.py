from typing import Any

import numpy as np
import pytest

from sweep.plots import plot_likelihoods
from sweep.statistics.tensor_ratio import TensorRatio
from tests.plots.looks import check_layout, colour


def gaussian(r: float, sigma: float = 1e-3) -> TensorRatio:
    grid = np.linspace(r - 5 * sigma, r + 5 * sigma, 401)
    likelihood = np.exp(-0.5 * ((grid - r) / sigma) ** 2)
    limits = (r + sigma, r + 2 * sigma, r + 1.6 * sigma)
    return TensorRatio(r, 0.9 * sigma, 1.1 * sigma, *limits, grid, likelihood)


def test_curves_best_fits_and_intervals(figures: list[Any]) -> None:
    found = {"one": gaussian(0.4e-3), "other": gaussian(2e-3)}
    plot_likelihoods(found, "a.png")
    top, below = figures[0].axes
    assert top.get_ylabel() == "likelihood / maximum"
    assert below.get_xlabel() == r"tensor-to-scalar ratio of the residuals, $10^3\,r$"
    curves = [line for line in top.lines if len(np.asarray(line.get_xdata())) == 401]
    for curve, ratio in zip(curves, found.values(), strict=True):
        np.testing.assert_allclose(np.asarray(curve.get_xdata()) / 1e3, ratio.grid)
        np.testing.assert_array_equal(curve.get_ydata(), ratio.likelihood)
    intervals = [line for line in below.lines if len(line.get_ydata()) == 2][:2]
    np.testing.assert_allclose(intervals[0].get_xdata(), [-0.5, 1.5])
    np.testing.assert_allclose(intervals[1].get_xdata(), [1.1, 3.1])
    dots = [line for line in below.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([d.get_xdata()[0] for d in dots], [0.4, 2.0])
    minus = "\N{MINUS SIGN}0.90"
    texts = [t.get_text() for t in below.texts]
    assert texts == ["one", f"0.40 +1.10 {minus}", "other", f"2.00 +1.10 {minus}"]
    # each name is above its interval, and below the one before
    heights = [t.get_position()[1] for t in below.texts[::2]]
    low, high = (line.get_ydata()[0] for line in intervals)
    assert heights[0] < low < heights[1] < high
    assert [colour(c) for c in curves] == [colour(i) for i in intervals]
    assert len(top.collections) == 2  # shaded intervals
    check_layout(figures[0])


@pytest.mark.parametrize("count", [1, 40])
def test_any_number_fits(count: int, figures: list[Any]) -> None:
    found = {f"experiment of number {i}": gaussian(i * 1e-3) for i in range(count)}
    plot_likelihoods(found, "a.png")
    top, below = figures[0].axes
    assert len(below.texts) == 2 * count
    assert figures[0].legends == []
    assert top.get_legend() is None
    check_layout(figures[0])
