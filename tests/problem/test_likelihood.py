"""Our closed-form likelihood against furax's, and against plain dense algebra."""

import itertools
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep.problem import Observation, SpectralProblem, chi_square, components, expand, nll, observe
from sweep.problem.derivatives import Derivatives, derivatives, row_values
from sweep.problem.likelihood import Expansion
from sweep.problem.reference import furax_cmb, furax_nll
from sweep.problem.sed import coordinates, mixing
from sweep.problem.vectors import triangle
from tests.problems import PARAMETERS, STANDARD

FREQUENCY = np.array([40.0, 60.0, 78.0, 100.0, 140.0, 195.0, 280.0, 402.0])
BOX = {"beta_dust": (0.5, 5.0), "temp_dust": (6.0, 40.0), "beta_pl": (-7.0, -0.5)}

CASES = {
    "one cluster for all": (40, 1, 1, 1),
    "mixed": (40, 13, 5, 3),
    "one cluster a pixel": (40, 40, 40, 40),
}
"""Numbers of pixels, and of clusters of the three parameters."""

FEW = (12, 4, 3, 2)
"""The same, for furax's Hessian."""

FORMS = ("cells", "pixels")


class Case(NamedTuple):
    problem: SpectralProblem
    params: dict
    maps: jax.Array


@lru_cache
def make_case(sizes, form):
    """Random clusters (each non-empty), noise levels, parameters inside the box, maps."""
    n_pixels, *numbers = sizes
    counts = dict(zip(PARAMETERS, numbers, strict=True))
    rng = np.random.default_rng(0)
    labels = {}
    for p in PARAMETERS:
        own = np.concatenate(
            [np.arange(counts[p]), rng.integers(0, counts[p], n_pixels - counts[p])]
        )
        labels[p] = jnp.asarray(rng.permutation(own), jnp.int32)
    problem = SpectralProblem.create(
        frequency=jnp.asarray(FREQUENCY),
        inverse_sigma=jnp.asarray(rng.uniform(0.5, 3.0, FREQUENCY.size)),
        labels=labels,
        model=STANDARD,
        form=form,
    )
    params = {
        "beta_dust": jnp.asarray(rng.uniform(1.2, 1.9, counts["beta_dust"])),
        "temp_dust": jnp.asarray(rng.uniform(14.0, 30.0, counts["temp_dust"])),
        "beta_pl": jnp.asarray(rng.uniform(-3.4, -2.6, counts["beta_pl"])),
    }
    maps = jnp.asarray(rng.normal(0.0, 30.0, (FREQUENCY.size, 2, n_pixels)))
    return Case(problem, params, maps)


def alike(case):
    """The case with cluster axes of one length, so that all cases share their programs."""
    params = {p: jnp.pad(v, (0, 40 - v.size), mode="edge") for p, v in case.params.items()}
    return case._replace(params=params)


@pytest.fixture(params=itertools.product(CASES, FORMS), ids=" as ".join, name="case")
def _case(request):
    name, form = request.param
    return alike(make_case(CASES[name], form))


@pytest.fixture(params=FORMS, name="mixed")
def _mixed(request):
    return alike(make_case(CASES["mixed"], request.param))


class Ours(NamedTuple):
    """All that our code says of a point."""

    seen: Observation
    nll: jax.Array
    chi_square: jax.Array
    expansion: Expansion
    rows: Derivatives
    row_values: jax.Array
    components: jax.Array


@jax.jit
def evaluate(params, problem, maps):
    """Everything in one program: most of the time of these tests is compilation."""
    seen = observe(problem, maps)
    spectral = coordinates(params, problem.model)
    return Ours(
        seen,
        nll(params, problem, seen),
        chi_square(params, problem, seen),
        expand(params, problem, seen),
        derivatives(problem, seen.rows, spectral),
        row_values(problem, seen.rows, spectral),
        components(params, problem, maps),
    )


def ours(case):
    return evaluate(case.params, case.problem, case.maps)


@jax.jit
def furax(params, problem, maps):
    """Value and gradient."""
    return jax.value_and_grad(furax_nll)(params, problem, observe(problem, maps))


furax_sky = jax.jit(furax_cmb)


def test_nll_equals_furax(case):
    theirs, _ = furax(case.params, case.problem, case.maps)
    assert abs(ours(case).nll / theirs - 1) < 1e-10


@pytest.mark.parametrize("end", [0, 1])
def test_nll_equals_furax_at_the_ends_of_the_box(case, end):
    params = {p: jnp.full_like(v, BOX[p][end]) for p, v in case.params.items()}
    case = case._replace(params=params)
    theirs, _ = furax(params, case.problem, case.maps)
    assert abs(ours(case).nll / theirs - 1) < 1e-10


def test_gradient_equals_furax(case):
    found = ours(case).expansion.gradient
    _, theirs = furax(case.params, case.problem, case.maps)
    size = max(float(jnp.max(jnp.abs(v))) for v in theirs.values())
    for p in PARAMETERS:
        np.testing.assert_allclose(found[p], theirs[p], rtol=1e-8, atol=1e-8 * size)


def test_recovered_cmb_equals_furax_sky_signal(case):
    theirs = furax_sky(case.params, case.problem, case.maps)
    atol = 1e-9 * float(np.std(theirs))
    np.testing.assert_allclose(ours(case).components[0], theirs, rtol=1e-9, atol=atol)


def test_dense_twin(case):
    """The definition, pixel by pixel, with numpy's solver."""
    problem, maps = case.problem, np.asarray(case.maps)
    dust, synchrotron = map(np.asarray, mixing(case.params, problem))
    weight = np.asarray(problem.inverse_sigma)
    total, sky = 0.0, np.empty((3, 2, problem.n_pixels))
    for p in range(problem.n_pixels):
        columns = [np.ones(FREQUENCY.size), dust[:, p], synchrotron[:, p]]
        b = weight[:, None] * np.stack(columns, axis=1)
        d = weight[:, None] * maps[:, :, p]
        sky[:, :, p] = np.linalg.solve(b.T @ b, b.T @ d)
        total += np.sum((d - b @ sky[:, :, p]) ** 2)
    found = ours(case)
    np.testing.assert_allclose(found.chi_square, total, rtol=1e-10)
    np.testing.assert_allclose(found.components, sky, rtol=1e-8, atol=1e-8)


def test_chi_square_differs_from_nll_by_the_data(case):
    power = jnp.sum((case.problem.inverse_sigma[:, None, None] * case.maps) ** 2)
    found = ours(case)
    np.testing.assert_allclose(found.chi_square - found.nll, power, rtol=1e-12)


def test_both_modes_of_differentiation_agree(mixed):
    problem, params, maps = mixed
    seen = ours(mixed).seen
    backward = jax.jit(jax.grad(chi_square))(params, problem, seen)

    @jax.jit
    def forward(tangent):
        return jax.jvp(lambda q: chi_square(q, problem, seen), (params,), (tangent,))[1]

    for p in PARAMETERS:
        tangent = {q: jnp.zeros_like(v) for q, v in params.items()}
        tangent[p] = jnp.ones_like(params[p])
        np.testing.assert_allclose(forward(tangent), jnp.sum(backward[p]), rtol=1e-10)


@pytest.fixture(scope="module", name="furax_hessian")
def _furax_hessian():
    problem, params, maps = make_case(FEW, "pixels")
    return jax.jit(jax.hessian(furax_nll))(params, problem, observe(problem, maps))


@pytest.mark.parametrize("form", FORMS)
def test_hessian_equals_that_of_furax(form, furax_hessian):
    """Every element: the blocks of rows summed into clusters, against furax's dense Hessian."""
    case = make_case(FEW, form)
    found, dense = ours(case), furax_hessian
    params, index = case.params, case.problem.cells.flat_index
    # d/dT = -c^2 d/dc, and for the second derivative the slope of c^2 comes in
    scale = {p: jnp.ones_like(v) for p, v in params.items()}
    scale["temp_dust"] = -(params["temp_dust"] ** -2.0)
    slope = found.expansion.gradient["temp_dust"]
    for (i, j), rows in zip(triangle(3), found.rows.hessian, strict=True):
        p, q = PARAMETERS[i], PARAMETERS[j]
        block = jnp.zeros((params[p].size, params[q].size)).at[index[i], index[j]].add(rows)
        block = block * scale[p][:, None] * scale[q][None, :]
        if p == q == "temp_dust":
            block -= jnp.diag(2.0 * slope / params[p])
        size = float(jnp.max(jnp.abs(dense[p][q])))
        np.testing.assert_allclose(block, dense[p][q], rtol=1e-6, atol=1e-9 * size)


def test_curvature_is_the_diagonal_of_the_hessian(mixed):
    problem, params, maps = mixed
    found = ours(mixed)
    slopes = jax.jit(jax.jacfwd(lambda q: expand(q, problem, found.seen).gradient))
    dense = slopes(params)
    for p in PARAMETERS:
        diagonal = jnp.diag(dense[p][p])
        size = float(jnp.max(jnp.abs(diagonal)))
        curve = found.expansion.curvature[p]
        np.testing.assert_allclose(curve, diagonal, rtol=1e-8, atol=1e-10 * size)
        assert jnp.max(jnp.abs(dense[p][p] - jnp.diag(diagonal))) == 0.0


def test_values_of_rows_are_those_of_their_derivatives(case):
    found = ours(case)
    atol = 1e-9 * float(found.seen.rows.total)
    np.testing.assert_allclose(found.row_values, found.rows.chi_square, rtol=1e-9, atol=atol)


def test_gauss_newton_is_never_indefinite(case):
    of_rows = ours(case).rows
    blocks = np.zeros((of_rows.chi_square.size, 3, 3))
    for (i, j), rows in zip(triangle(3), of_rows.gauss_newton, strict=True):
        blocks[:, i, j] = blocks[:, j, i] = rows
    smallest = np.linalg.eigvalsh(blocks)[:, 0]
    assert np.all(smallest >= -1e-9 * np.trace(blocks, axis1=1, axis2=2))


def test_without_a_residual_the_hessian_is_that_of_gauss_and_newton(mixed):
    dust, synchrotron = mixing(mixed.params, mixed.problem)
    signal = dust[:, None] + synchrotron[:, None] * jnp.array([[1.0], [-2.0]])
    of_rows = ours(mixed._replace(maps=signal)).rows
    atol = 1e-9 * float(jnp.max(jnp.abs(of_rows.hessian)))
    np.testing.assert_allclose(of_rows.gauss_newton, of_rows.hessian, rtol=1e-6, atol=atol)


def test_padded_clusters_have_no_slope():
    case = make_case(CASES["mixed"], "pixels")
    found, plain = ours(alike(case)), ours(case)
    assert found.nll == plain.nll
    for p, v in case.params.items():
        assert jnp.all(found.expansion.gradient[p][v.size :] == 0.0)
        np.testing.assert_array_equal(
            found.expansion.gradient[p][: v.size], plain.expansion.gradient[p]
        )


def test_single_precision_stays_single():
    case = alike(make_case(CASES["mixed"], "pixels"))
    single = jax.tree.map(
        lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x,
        case,
    )
    found = ours(single)
    assert found.nll.dtype == jnp.float32
    assert all(v.dtype == jnp.float32 for v in found.expansion.gradient.values())
    np.testing.assert_allclose(found.nll, ours(case).nll, rtol=1e-4)
