"""The benchmark of pulls finds errors that are wrong, and takes them from the right matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from benchmarks import pulls
from benchmarks.standard import PARAMETERS
from sweep.assemble.setup import build
from sweep.problem import chi_square, observe
from sweep.types import Params


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (0.8, False), (1.3, False)])
def test_wrong_errors_are_found(factor: float, right: bool) -> None:
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(11, 11))
    covariance = mixed @ mixed.T + np.eye(11)
    miss = rng.multivariate_normal(np.zeros(11), covariance, 500)
    row = pulls._row(miss, np.broadcast_to(factor * covariance, (500, 11, 11)), means=True)
    assert (row["farthest"] <= pulls.LIMIT) == right
    np.testing.assert_allclose(row["chi-square/n"], 1 / factor, rtol=0.1)


def test_a_shift_is_found() -> None:
    miss = np.random.default_rng(3).normal(0.3, 1.0, (500, 2))
    covariance = np.broadcast_to(np.eye(2), (500, 2, 2))
    row = pulls._row(miss, covariance, means=True)
    assert row["farthest"] == row["mean off"] > pulls.LIMIT
    assert pulls._row(miss, covariance, means=False)["farthest"] < pulls.LIMIT


def test_the_covariance_is_that_of_the_curvature_and_the_prior() -> None:
    """Against second differences of the likelihood."""
    setup = build(sweep.compose([*pulls.SKY, "sky.nside=4", "mask.expression=ALL"]))
    found = {p: np.array(setup.bounds.start[p][:n])[None] for p, n in setup.counts.items()}
    maps = pulls._observed(setup, found, np.random.default_rng(0), [0], 1)
    seen = observe(setup.problem, maps[0])
    centre = np.concatenate([found[p][0] for p in PARAMETERS])
    ends = np.cumsum(list(setup.counts.values()))[:-1]

    @jax.jit
    def value(flat: jax.Array) -> jax.Array:
        params: Params = dict(zip(PARAMETERS, jnp.split(flat, ends), strict=True))
        return chi_square(params, setup.problem, seen)

    (alone,) = np.asarray(pulls._covariances(setup, found, {}, maps))
    step = np.diag(0.1 / np.sqrt(np.diag(np.linalg.inv(alone))))
    differences = [
        [sum(s * t * value(centre + s * a + t * b) for s in (1, -1) for t in (1, -1)) for b in step]
        for a in step
    ]
    hessian = np.array(differences) / (4.0 * np.outer(np.diag(step), np.diag(step)))
    np.testing.assert_allclose(hessian / 2.0 @ alone, np.eye(11), atol=1e-3)

    (both,) = np.asarray(pulls._covariances(setup, found, {"temp_dust": (20.0, 0.05)}, maps))
    width = np.repeat([np.inf, 0.05, np.inf], list(setup.counts.values()))
    expected = hessian / 2.0 + np.diag(width**-2.0)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.linalg.inv(both) / scale, expected / scale, atol=1e-3)
    assert np.abs(np.linalg.inv(alone) / scale - expected / scale).max() > 0.1
