"""Who leaves a race, and how often that is wrong."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom

from sweep.statistics.race import Look, Terms, look, threshold
from sweep.types import Status
from tests.statistics.test_summary import dataset

ROUNDS = (5, 10, 20, 40)


def with_values(values: np.ndarray) -> xr.Dataset:
    """Experiments with these cmb_variance, shape (experiment, realisation)."""
    ds = dataset([[Status.CONVERGED] * values.shape[1]] * len(values), list(range(values.shape[1])))
    ds["cmb_variance"][:] = values
    return ds


def looked(values: np.ndarray, **changes: Any) -> Look:
    given = {"lost": 0.05, "looks": 4, "rivals": len(values) - 1, "enough": 0.0}
    found = look(with_values(values), "cmb_variance", Terms(**given | changes))
    assert isinstance(found, Look)
    return found


def noisy(means: list[float], scatter: float, count: int, seed: int = 0) -> np.ndarray:
    """Values with a large part that all share, and a scatter of each."""
    rng = np.random.default_rng(seed)
    own = scatter * rng.standard_normal((len(means), count))
    return np.array(means)[:, None] + own + 0.5 * rng.standard_normal(count)


def test_those_that_are_clearly_behind_leave_though_noise_is_larger_than_the_difference() -> None:
    found = looked(noisy([1.0, 1.001, 1.1, 0.999], 0.002, 10))
    assert set(found.left) == {0, 1, 3}
    assert set(found.behind) == {2}
    assert found.behind[2].delta == pytest.approx(0.101, abs=0.003)
    assert found.leader == found.left[0]
    assert found.realisations == 10
    assert not found.alike


def test_a_look_is_what_its_definition_says() -> None:
    values = noisy([1.0, 1.002, 1.01, 1.03], 0.004, 7, seed=3)
    found = looked(values)
    leader = values.mean(axis=1).argmin()
    gaps = values - values[leader]
    errors = gaps.std(axis=1, ddof=1) / np.sqrt(7)
    k = threshold(0.05, 4, 3, 7)
    behind = {i for i in range(4) if i != leader and gaps[i].mean() > k * errors[i]}
    assert set(found.behind) == behind
    assert 0 < len(behind) < 3
    assert found.value == pytest.approx(values.mean(axis=1).min())
    assert found.threshold == k


def test_more_looks_rivals_and_care_and_fewer_realisations_raise_the_threshold() -> None:
    usual = threshold(0.05, 4, 20, 10)
    assert threshold(0.05, 8, 20, 10) > usual
    assert threshold(0.05, 4, 200, 10) > usual
    assert threshold(0.01, 4, 20, 10) > usual
    assert threshold(0.05, 4, 20, 5) > usual > threshold(0.05, 4, 20, 100) > 3


def test_small_differences_do_not_matter_where_they_are_surely_small() -> None:
    values = noisy([1.0, 1.001], 0.001, 20)
    assert looked(values, enough=0.01).alike
    undecided = looked(noisy([1.0, 1.001], 0.003, 20), enough=0.0005)
    assert len(undecided.left) == 2
    assert not undecided.alike
    assert not looked(noisy([1.0, 1.001], 0.1, 20), enough=0.01).alike  # small, but not surely


def test_ties_stay_and_matter_to_nobody() -> None:
    same = np.repeat(noisy([1.0], 0.01, 10), 2, axis=0)
    found = looked(same)
    assert found.left == [0, 1]
    assert found.alike


def test_who_did_not_converge_is_not_ranked_and_counted() -> None:
    ds = with_values(noisy([1.0, 0.5, 1.2], 0.001, 10))
    ds["status"][1] = Status.MAX_STEPS
    found = look(ds, "cmb_variance", Terms(lost=0.05, looks=4, rivals=2, enough=0.0))
    assert isinstance(found, Look)
    assert found.left == [0]
    assert sum(found.left_out.values()) == 1
    ds["status"][:] = Status.MAX_STEPS
    none = look(ds, "cmb_variance", Terms(lost=0.05, looks=4, rivals=2, enough=0.0))
    assert isinstance(none, str)
    assert "fewer than 90 % of the fits converged" in none


@pytest.mark.parametrize("count", [2, 12])
def test_equal_experiments_are_separated_in_the_stated_share_of_races(count: int) -> None:
    """All are the best, so that it is wrong to lose any that a rule of looks would name the best.

    By the plain rule, which `test_a_look_is_what_its_definition_says` compares with ours; without
    the correction for looks and rivals 12 experiments lose the first in half of the races.
    """
    lost, races = 0.05, 2000
    rng = np.random.default_rng(1)
    gone = uncorrected = 0
    for _ in range(races):
        values = rng.standard_normal((count, ROUNDS[-1])) + rng.standard_normal(ROUNDS[-1])
        gone += first_leaves(values, lost, len(ROUNDS), count - 1)
        uncorrected += first_leaves(values, lost, 1, 1)
    assert gone <= binom.ppf(0.999, races, lost)
    assert uncorrected > 2 * lost * races


def first_leaves(values: np.ndarray, lost: float, looks: int, rivals: int) -> bool:
    left = np.arange(len(values))
    for n in ROUNDS:
        seen = values[left, :n]
        gaps = seen - seen[seen.mean(axis=1).argmin()]
        errors = gaps.std(axis=1, ddof=1) / np.sqrt(n)
        left = left[gaps.mean(axis=1) <= threshold(lost, looks, rivals, n) * errors]
        if left[0] != 0:
            return True
    return False
