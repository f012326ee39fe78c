from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from sweep.errors import ConfigError
from sweep.plots import plot_solvers
from sweep.plots.labels import labels_of
from sweep.plots.solvers import solver_table
from sweep.plots.style import COLOURS
from sweep.statistics.summary import summary
from tests.plots.looks import check_layout, legend_texts, many


def test_experiments_that_differ_in_their_solver_alone_are_compared(ds: xr.Dataset) -> None:
    found, means = solver_table(ds), summary(ds)
    assert sorted(found["clusters.beta_dust"]) == [1, 1, 2, 2]  # others have one solver
    assert set(found["named"]) == {"max_steps=20", "max_steps=2"}
    for _, problem in found.groupby("clusters.beta_dust"):
        nll = means["nll"][problem.index]
        np.testing.assert_allclose(problem["delta_to_best"], nll - nll.min(), atol=1e-6)
        assert problem["delta_to_best"].min() == 0
        # a solver that may take two steps is not through
        assert problem["delta_to_best"][problem["named"] == "max_steps=2"].item() > 1e-4


def test_a_marker_a_solver_a_point_a_problem(ds: xr.Dataset, figures: list[Any]) -> None:
    found = solver_table(ds)
    # whether scipy_tnc calls these few pixels converged is decided by rounding: say so for it
    through = found["named"] == "max_steps=20"
    found["converged"] = found["usable"].where(through, 0)
    plot_solvers(found, "a.png")
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == "mean time of a fit  [s]"
    assert axes.get_ylabel() == "mean NLL, delta to best of all solvers"
    assert axes.get_xscale() == "log"
    assert legend_texts(axes) == [
        "solver (problems)",
        *("max_steps=20 (2)", "max_steps=2 (2)"),
        *("below 0.001: the same", "open: some fits not converged"),
    ]
    first, second = axes.collections
    for points, name in ((first, "max_steps=20"), (second, "max_steps=2")):
        here = found[found["named"] == name]
        np.testing.assert_array_equal(points.get_offsets(), here[["seconds", "delta_to_best"]])
    assert (second.get_facecolors()[:, 3] == 0.0).all()  # open: some fits did not converge
    assert (first.get_facecolors()[:, 3] == 1.0).all()
    low, high = axes.get_ylim()
    assert low < 0
    assert high > found["delta_to_best"].max()
    check_layout(figures[0])


def test_colour_is_the_solver_and_the_marker_its_setting(
    ds: xr.Dataset, figures: list[Any]
) -> None:
    four = many(
        ds,
        4,
        solver=np.array(["newton", "newton", "adam", "adam"], dtype=object).tolist(),
        solver__max_steps=[3, 9, 3, 9],
        clusters__beta_dust=[1] * 4,
        clusters__beta_pl=[1] * 4,
    )
    found = solver_table(four)
    assert list(found["variant"]) == ["max_steps=3", "max_steps=9"] * 2
    plot_solvers(found.assign(converged=found["usable"]), "a.png")
    points = figures[0].axes[0].collections
    assert len(points) == 4
    colours = [to_hex(p.get_facecolor()[0]) for p in points]
    assert colours == [c.lower() for c in (COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[1])]
    shapes = [p.get_paths()[0].vertices.shape for p in points]
    assert shapes[0] == shapes[2] != shapes[1] == shapes[3]
    assert legend_texts(figures[0].axes[0])[1:5] == [
        *("newton, max_steps=3 (1)", "newton, max_steps=9 (1)"),
        *("adam, max_steps=3 (1)", "adam, max_steps=9 (1)"),
    ]


def test_times_within_a_decade_have_two_labels(ds: xr.Dataset, figures: list[Any]) -> None:
    found = solver_table(ds)
    plot_solvers(found.assign(seconds=np.linspace(0.041, 0.048, len(found))), "a.png")
    (axes,) = figures[0].axes
    assert len(labels_of(axes.xaxis)) >= 2
    check_layout(figures[0])


def test_solvers_that_agree_lie_in_the_band(ds: xr.Dataset, figures: list[Any]) -> None:
    found = solver_table(ds).assign(delta_to_best=1e-6, converged=3, usable=3)
    plot_solvers(found, "a.png")
    (axes,) = figures[0].axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", "0.001", "0.01"]
    assert "open: some fits not converged" not in legend_texts(axes)
    check_layout(figures[0])


def test_one_solver_cannot_be_compared(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="no two experiments .* sweep solver"):
        solver_table(ds.isel(experiment=[0, 1, 2, 3]))
