from typing import Any

import numpy as np
import pandas as pd
from matplotlib.contour import ContourSet

from sweep.plots import plot_front
from tests.plots.looks import check_layout


def table(masks: int = 1, span: float = 3.0) -> Any:
    """Points of a falling front, each with one behind it, for every mask."""
    rows = []
    for m in range(masks):
        for i in range(4):
            systematic = 1e-3 * span ** (i / 3) * (1 + m)
            for on_front in (True, False):
                rows.append(
                    {
                        "clusters": "kmeans",
                        "clusters.beta_dust": 4 ** (4 - i),
                        "clusters.beta_pl": 2,
                        "mask.expression": f"GAL0{m + 1}0",
                        "systematic": systematic * (1.0 if on_front else 1.2),
                        "statistical": 2e-3 / (i + 1) * (1.0 if on_front else 1.2),
                        "statistical_error": 1e-5,
                        "estimator": "cross",
                        "on_front": on_front,
                    }
                )
    return pd.DataFrame(rows)


def test_points_front_and_colours(figures: list[Any]) -> None:
    found = table()
    plot_front(found, "a.png")
    (figure,) = figures
    axes, bar = figure.axes
    assert axes.get_xlabel() == "variance of the systematic residual, cross  [µK²]"
    assert axes.get_ylabel() == "variance of the statistical residual  [µK²]"
    assert bar.get_ylabel() == r"number of $\beta_\mathrm{d}$ clusters"
    assert [t.get_text() for t in bar.get_yticklabels()] == ["4", "16", "64", "256"]
    (points,) = [c for c in axes.collections if len(c.get_offsets()) == len(found)]
    np.testing.assert_array_equal(points.get_offsets(), found[["systematic", "statistical"]])
    np.testing.assert_array_equal(points.get_array(), found["clusters.beta_dust"])
    np.testing.assert_array_equal(np.asarray(points.get_linewidths()) > 1.0, found["on_front"])
    (front,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    on_front = found[found["on_front"]].sort_values("systematic")
    np.testing.assert_array_equal(front.get_xdata(), on_front["systematic"])
    np.testing.assert_array_equal(front.get_ydata(), on_front["statistical"])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["Pareto front", "equal sum"]
    assert axes.get_xscale() == "linear"
    check_layout(figure)


def test_along_grey_lines_the_sum_is_the_same(figures: list[Any]) -> None:
    plot_front(table(span=100.0), "a.png")
    axes = figures[0].axes[0]
    assert axes.get_xscale() == "log"
    (lines,) = [c for c in axes.collections if isinstance(c, ContourSet)]
    paths = [path for path in lines.get_paths() if np.size(path.vertices)]
    assert len(paths) > 3
    for path in paths:
        sums = np.asarray(path.vertices).sum(axis=1)
        np.testing.assert_allclose(sums, sums.mean(), rtol=1e-6)


def test_every_mask_has_its_front_and_many_are_cut(figures: list[Any]) -> None:
    plot_front(table(2), "a.png")
    texts = [t.get_text() for t in figures[0].legends[0].get_texts()]
    assert texts == ["front of mask GAL010", "front of mask GAL020", "equal sum"]
    steps = [li for li in figures[0].axes[0].lines if li.get_drawstyle() == "steps-post"]
    assert len({line.get_linestyle() for line in steps}) == 2
    plot_front(table(12), "a.png")
    texts = [t.get_text() for t in figures[1].legends[0].get_texts()]
    assert texts[-2:] == ["and 5 more", "equal sum"]
    assert len(texts) == 9
    check_layout(figures[1])


def test_without_counts_there_is_no_colour_bar(figures: list[Any]) -> None:
    plot_front(table().drop(columns=["clusters.beta_dust", "clusters.beta_pl"]), "a.png")
    assert len(figures[0].axes) == 1


def test_fits_that_did_not_converge_look_open(figures: list[Any]) -> None:
    found = table()
    found["unconverged"] = [i % 3 == 0 for i in range(len(found))]
    plot_front(found, "a.png")
    plot_front(found.assign(unconverged=False), "a.png")
    points, all_filled = (
        next(c for c in figure.axes[0].collections if len(c.get_offsets()) == len(found))
        for figure in figures
    )
    white = (points.get_facecolor() == 1.0).all(axis=1)
    np.testing.assert_array_equal(white, found["unconverged"])
    colours = all_filled.get_facecolor()
    np.testing.assert_array_equal(points.get_edgecolor()[white], colours[white])
    np.testing.assert_array_equal(points.get_facecolor()[~white], colours[~white])
    texts = [t.get_text() for t in figures[0].legends[0].get_texts()]
    assert texts[-1] == "open: some fits not converged"


def test_nside_zero_has_a_colour(figures: list[Any]) -> None:
    found = table().assign(clusters="multires")
    found["clusters.beta_dust"] = [8, 8, 4, 4, 2, 2, 0, 0]
    plot_front(found, "a.png")
    bar = figures[0].axes[1]
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0", "2", "4", "8"]
    assert bar.get_ylabel() == r"nside of $\beta_\mathrm{d}$ clusters"
