"""Half of the realisations choose, the other half measure."""

import numpy as np
import pytest
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.halves import best_by_halves, halves
from sweep.types import Status
from tests.statistics.test_summary import dataset

S = Status


def numbers(values: list[list[float]]) -> xr.Dataset:
    ds = dataset([[S.CONVERGED] * len(values[0])] * len(values), list(range(len(values[0]))))
    ds["cmb_variance"][:] = np.array(values)
    return ds


def test_each_half_chooses_and_the_other_measures() -> None:
    ds = numbers([[1.0, 2.0, 7.0, 9.0], [3.0, 4.0, 5.0, 6.0]])
    table = best_by_halves(ds, "cmb_variance")
    labels = [str(i)[:8] for i in ds["identity"].values]
    assert list(table.index) == labels
    assert table["chosen_by"].tolist() == ["0-1", "2-3"]
    assert table["measured_by"].tolist() == ["2-3", "0-1"]
    assert table["cmb_variance_choosing"].tolist() == [1.5, 5.5]
    assert table["cmb_variance"].tolist() == [8.0, 3.5]
    assert table["cmb_variance_error"].tolist() == [1.0, 0.5]
    assert table["runner_up"].tolist() == labels[::-1]
    # either choice is worse by the other half
    assert table["delta_to_best"].tolist() == [-2.5, -2.0]
    assert table["quoted"].to_list() == pytest.approx([5.75] * 2)
    assert table["quoted_error"].to_list() == pytest.approx([np.hypot(1.0, 0.5) / 2] * 2)


def test_what_is_measured_is_not_flattered_by_the_choice() -> None:
    """Of experiments that differ by noise alone the best is no better by other realisations."""
    rng = np.random.default_rng(0)
    seen, measured = [], []
    for _ in range(100):
        table = best_by_halves(numbers(rng.standard_normal((20, 8)).tolist()), "cmb_variance")
        seen += table["cmb_variance_choosing"].tolist()
        measured += table["cmb_variance"].tolist()
    assert np.mean(seen) < -0.8
    assert abs(np.mean(measured)) < 0.1


def test_too_few_realisations_are_one_line() -> None:
    with pytest.raises(ConfigError, match="two halves: no experiment can be ranked by cmb_v"):
        best_by_halves(numbers([[1.0], [2.0]]), "cmb_variance")
    assert [part.tolist() for part in halves(np.arange(5))] == [[0, 1], [2, 3, 4]]
