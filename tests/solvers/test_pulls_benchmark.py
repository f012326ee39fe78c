"""The benchmark of pulls finds errors that are wrong, and takes them from the right matrix."""

import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from benchmarks import pulls
from sweep.config.build import build
from sweep.problem import NLL_TO_COVARIANCE, observe
from sweep.statistics.curvature import second_order
from sweep.statistics.fitted import Fitted
from sweep.types import PARAMETERS


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (0.8, False), (1.3, False)])
def test_wrong_errors_are_found(factor: float, right: bool) -> None:
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(11, 11))
    covariance = mixed @ mixed.T + np.eye(11)
    miss = rng.multivariate_normal(np.zeros(11), covariance, 500)
    row = pulls._row(miss, np.broadcast_to(factor * covariance, (500, 11, 11)))
    assert (row["farthest"] <= pulls.LIMIT) == right
    np.testing.assert_allclose(row["chi-square/n"], 1 / factor, rtol=0.1)


def test_a_shift_is_found() -> None:
    miss = np.random.default_rng(3).normal(0.3, 1.0, (500, 2))
    row = pulls._row(miss, np.broadcast_to(np.eye(2), (500, 2, 2)))
    assert row["mean off"] > pulls.LIMIT


def test_the_covariance_is_that_of_the_curvature_and_the_prior() -> None:
    setup = build(sweep.compose([*pulls.SKY, "sky.nside=4", "mask.expression=ALL"]))
    found = {p: np.array(setup.bounds.start[p][:n])[None] for p, n in setup.counts.items()}
    maps = pulls._observed(setup, found, np.random.default_rng(0))
    params = {p: jnp.asarray(found[p][0]) for p in PARAMETERS}
    rows = observe(setup.problem, maps[0]).rows
    _, hessian = second_order(Fitted(setup.problem, rows, params, params, params))
    for prior in ({}, {"temp_dust": (20.0, 0.5)}):
        dense = hessian.toarray()
        if prior:
            dense[6:9, 6:9] += np.diag([2.0 / 0.5**2] * 3)
        (covariance,) = pulls._covariances(setup, found, prior, maps)
        np.testing.assert_allclose(covariance, NLL_TO_COVARIANCE * np.linalg.inv(dense), rtol=1e-6)
