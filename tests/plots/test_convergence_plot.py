from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.errors import ConfigError
from sweep.plots import plot_convergence
from sweep.statistics.variance import convergence
from tests.plots.looks import check_layout, legend_texts, many


def test_lines_and_bands_are_the_statistics(ds: xr.Dataset, figures: list[Any]) -> None:
    found = convergence(ds.isel(experiment=[0, 2]))
    plot_convergence(found, ["one", "other"], "a.png")
    left, right = figures[0].axes
    assert left.get_ylabel() == "mean of cmb_variance  [µK²]"
    assert right.get_ylabel() == "variance of cmb_variance  [µK⁴]"
    assert left.get_xlabel() == right.get_xlabel() == "number of realisations"
    assert legend_texts(right) == ["one", "other"]
    for axes, name, error in (
        (left, "mean", "standard_error"),
        (right, "variance", "variance_error"),
    ):
        for i, line in enumerate(axes.lines):
            y = found[name].values[i]
            np.testing.assert_array_equal(line.get_ydata(), y)
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
            band = np.concatenate([p.vertices for p in axes.collections[i].get_paths()])
            width = found[error].values[i][-1]
            at_end = band[band[:, 0] == 3, 1]
            assert at_end.min() == pytest.approx(y[-1] - width)
            assert at_end.max() == pytest.approx(y[-1] + width)
    check_layout(figures[0])


def test_one_experiment_has_a_title_and_many_have_no_legend(
    ds: xr.Dataset, figures: list[Any]
) -> None:
    plot_convergence(convergence(ds.isel(experiment=[0])), ["one"], "a.png")
    assert figures[0].axes[0].get_title("left") == "one"
    assert figures[0].axes[1].get_legend() is None
    found = convergence(many(ds, 40))
    plot_convergence(found, [str(i) for i in range(40)], "a.png")
    left, right = figures[1].axes
    assert left.get_title("left") == "40 experiments"
    assert len(left.lines) == 40
    assert right.get_legend() is None
    assert not left.collections


def test_other_numbers_have_their_units(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_convergence(convergence(ds.isel(experiment=[0]), "seconds"), ["one"], "a.png")
    assert figures[0].axes[0].get_ylabel() == "mean of seconds  [s]"
    plot_convergence(convergence(ds.isel(experiment=[0]), "nll"), ["one"], "a.png")
    assert figures[1].axes[0].get_ylabel() == "mean of nll"


def test_two_realisations_are_too_few(ds: xr.Dataset) -> None:
    few = ds.isel(realisation=ds["realisation"].values < 2)
    with pytest.raises(ConfigError, match="three usable realisations, there are 2"):
        plot_convergence(convergence(few.isel(experiment=[0])), ["one"], "a.png")
