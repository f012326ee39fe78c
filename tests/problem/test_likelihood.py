"""Our closed-form likelihood against furax's, and against plain dense algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep.problem import SpectralProblem, chi_square, components, curvature, gradient, nll
from sweep.problem.reference import furax_cmb, furax_nll
from sweep.problem.sed import mixing
from sweep.types import PARAMETERS

FREQUENCY = np.array([40.0, 60.0, 78.0, 100.0, 140.0, 195.0, 280.0, 402.0])
BOX = {"beta_dust": (0.5, 5.0), "temp_dust": (6.0, 40.0), "beta_pl": (-7.0, -0.5)}


def make_problem(counts, n_pixels=40, seed=0):
    """Random clusters (each non-empty), noise levels, parameters inside the box, maps."""
    rng = np.random.default_rng(seed)
    labels = {}
    for p in PARAMETERS:
        own = np.concatenate(
            [np.arange(counts[p]), rng.integers(0, counts[p], n_pixels - counts[p])]
        )
        labels[p] = jnp.asarray(rng.permutation(own), jnp.int32)
    problem = SpectralProblem(
        frequency=jnp.asarray(FREQUENCY),
        inverse_sigma=jnp.asarray(rng.uniform(0.5, 3.0, FREQUENCY.size)),
        labels=labels,
        dust_nu0=150.0,
        synchrotron_nu0=20.0,
    )
    params = {
        "beta_dust": jnp.asarray(rng.uniform(1.2, 1.9, counts["beta_dust"])),
        "temp_dust": jnp.asarray(rng.uniform(14.0, 30.0, counts["temp_dust"])),
        "beta_pl": jnp.asarray(rng.uniform(-3.4, -2.6, counts["beta_pl"])),
    }
    maps = jnp.asarray(rng.normal(0.0, 30.0, (FREQUENCY.size, 2, n_pixels)))
    return problem, params, maps


CASES = {
    "one cluster for all": {"beta_dust": 1, "temp_dust": 1, "beta_pl": 1},
    "mixed": {"beta_dust": 13, "temp_dust": 5, "beta_pl": 3},
    "one cluster a pixel": {"beta_dust": 40, "temp_dust": 40, "beta_pl": 40},
}


@pytest.fixture(params=CASES, name="case")
def _case(request):
    return make_problem(CASES[request.param])


def test_nll_equals_furax(case):
    problem, params, maps = case
    ours, theirs = nll(params, problem, maps), furax_nll(params, problem, maps)
    assert abs(ours / theirs - 1) < 1e-10


@pytest.mark.parametrize("end", [0, 1])
def test_nll_equals_furax_at_the_ends_of_the_box(case, end):
    problem, params, maps = case
    params = {p: jnp.full_like(v, BOX[p][end]) for p, v in params.items()}
    assert abs(nll(params, problem, maps) / furax_nll(params, problem, maps) - 1) < 1e-10


def test_gradient_equals_furax(case):
    problem, params, maps = case
    ours, theirs = gradient(params, problem, maps), jax.grad(furax_nll)(params, problem, maps)
    for p in PARAMETERS:
        np.testing.assert_allclose(ours[p], theirs[p], rtol=1e-8, atol=1e-8 * _size(theirs))


def test_recovered_cmb_equals_furax_sky_signal(case):
    problem, params, maps = case
    ours, theirs = components(params, problem, maps)[0], furax_cmb(params, problem, maps)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * float(np.std(theirs)))


def test_dense_twin(case):
    """The definition, pixel by pixel, with numpy's solver."""
    problem, params, maps = case
    columns = mixing(params, problem)
    weight = np.asarray(problem.inverse_sigma)
    total, sky = 0.0, np.empty((3, 2, problem.n_pixels))
    for p in range(problem.n_pixels):
        b = weight[:, None] * np.stack(
            [np.ones(FREQUENCY.size), columns.dust[:, p], columns.synchrotron[:, p]], axis=1
        )
        d = weight[:, None] * np.asarray(maps[:, :, p])
        sky[:, :, p] = np.linalg.solve(b.T @ b, b.T @ d)
        total += np.sum((d - b @ sky[:, :, p]) ** 2)
    np.testing.assert_allclose(chi_square(params, problem, maps), total, rtol=1e-10)
    np.testing.assert_allclose(components(params, problem, maps), sky, rtol=1e-8, atol=1e-8)


def test_chi_square_differs_from_nll_by_the_data(case):
    problem, params, maps = case
    power = jnp.sum((problem.inverse_sigma[:, None, None] * maps) ** 2)
    difference = chi_square(params, problem, maps) - nll(params, problem, maps)
    np.testing.assert_allclose(difference, power, rtol=1e-12)


def test_both_modes_of_differentiation_agree(case):
    problem, params, maps = case
    backward = jax.grad(chi_square)(params, problem, maps)
    for p in PARAMETERS:
        tangent = {q: jnp.zeros_like(v) for q, v in params.items()}
        tangent[p] = jnp.ones_like(params[p])
        _, forward = jax.jvp(lambda q: chi_square(q, problem, maps), (params,), (tangent,))
        np.testing.assert_allclose(forward, jnp.sum(backward[p]), rtol=1e-10)


def test_curvature_is_the_diagonal_of_the_hessian():
    problem, params, maps = make_problem(CASES["mixed"])
    dense = jax.jacfwd(gradient)(params, problem, maps)
    ours = curvature(params, problem, maps)
    for p in PARAMETERS:
        np.testing.assert_allclose(ours[p], jnp.diag(dense[p][p]), rtol=1e-8)
        off_diagonal = dense[p][p] - jnp.diag(jnp.diag(dense[p][p]))
        assert jnp.max(jnp.abs(off_diagonal)) == 0.0


def test_padded_clusters_have_no_slope():
    problem, params, maps = make_problem(CASES["mixed"])
    longer = {p: jnp.concatenate([v, v[:2]]) for p, v in params.items()}
    slope = gradient(longer, problem, maps)
    assert nll(longer, problem, maps) == nll(params, problem, maps)
    for p, v in params.items():
        assert jnp.all(slope[p][v.size :] == 0.0)


def _size(slope):
    return max(float(jnp.max(jnp.abs(v))) for v in slope.values())


def test_single_precision_stays_single():
    problem, params, maps = make_problem(CASES["mixed"])
    single = jax.tree.map(
        lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x,
        (params, problem, maps),
    )
    assert nll(*single).dtype == jnp.float32
    assert all(v.dtype == jnp.float32 for v in gradient(*single).values())
    np.testing.assert_allclose(nll(*single), nll(params, problem, maps), rtol=1e-4)
