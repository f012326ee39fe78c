"""Noise that differs from pixel to pixel, against furax with a covariance of every pixel."""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from furax import Config, DiagonalOperator
from furax.obs import negative_log_likelihood
from furax.obs.stokes import Stokes

from sweep.bands import band_nodes, top_hat
from sweep.problem import PixelWeights, SpectralProblem, components, expand, nll, observe
from sweep.problem.derivatives import derivatives, row_values
from sweep.problem.reference import _SOLVER, furax_nll
from sweep.problem.sed import coordinates, mixing
from sweep.problem.vectors import triangle
from sweep.solvers.newton import scan as scanning
from tests.problems import PARAMETERS, STANDARD

FREQUENCY = np.array([40.0, 78.0, 100.0, 140.0, 280.0, 402.0])
N_PIXELS, N_CLASSES = 60, 3
COUNTS = dict(zip(PARAMETERS, (7, 3, 2), strict=True))
FORMS = ("cells", "pixels")
POINTS = [
    ("scale", "cells"),
    ("stokes", "pixels"),
    pytest.param(("bands", "cells"), marks=pytest.mark.soak),
    ("bands", "pixels"),
    ("stokes and bands", "cells"),
]


class Case(NamedTuple):
    """A problem, and the covariance of every band and pixel, shape (frequency, pixel, 2, 2)."""

    problem: SpectralProblem
    covariance: np.ndarray
    params: dict
    maps: jax.Array


@lru_cache
def make_case(kind: str, form: str) -> Case:
    rng = np.random.default_rng(3)
    labels = {p: rng.permutation(np.arange(N_PIXELS) % n) for p, n in COUNTS.items()}
    inverse_sigma = rng.uniform(0.5, 3.0, FREQUENCY.size)
    root = np.zeros((N_PIXELS, 2, 2))
    root[:, 0, 0] = root[:, 1, 1] = rng.uniform(0.5, 4.0, N_PIXELS)
    if "stokes" in kind:
        root[:, 1, 1] *= rng.uniform(0.5, 2.0, N_PIXELS)
        root[:, 1, 0] = rng.normal(size=N_PIXELS)
    bands, label = np.ones((1, FREQUENCY.size)), np.zeros(N_PIXELS, np.int32)
    if "bands" in kind:
        bands = rng.uniform(0.3, 3.0, (N_CLASSES, FREQUENCY.size))
        label = rng.permutation(np.arange(N_PIXELS) % N_CLASSES).astype(np.int32)
    weight = bands[label].T * inverse_sigma[:, None]
    covariance = (root @ root.swapaxes(1, 2)) / weight[..., None, None] ** 2
    inverse = np.linalg.inv(root)
    parts = inverse[:, *np.tril_indices(2)].T if "stokes" in kind else inverse[None, :, 0, 0]
    of_bands = (jnp.asarray(bands), jnp.asarray(label)) if "bands" in kind else (None, None)
    problem = SpectralProblem.create(
        jnp.asarray(FREQUENCY),
        jnp.asarray(inverse_sigma),
        {p: jnp.asarray(v, jnp.int32) for p, v in labels.items()},
        STANDARD,
        form,
        weights=PixelWeights(None if kind == "bands" else jnp.asarray(parts), *of_bands),
    )
    if kind == "bands":
        covariance = np.eye(2) / weight[..., None, None] ** 2
    params = {
        "beta_dust": jnp.asarray(rng.uniform(1.2, 1.9, COUNTS["beta_dust"])),
        "temp_dust": jnp.asarray(rng.uniform(14.0, 30.0, COUNTS["temp_dust"])),
        "beta_pl": jnp.asarray(rng.uniform(-3.4, -2.6, COUNTS["beta_pl"])),
    }
    maps = jnp.asarray(rng.normal(0.0, 30.0, (FREQUENCY.size, 2, N_PIXELS)))
    return Case(problem, covariance, params, maps)


@pytest.fixture(params=POINTS, ids=" as ".join, name="case")
def _case(request: pytest.FixtureRequest) -> Case:
    return make_case(*request.param)


@jax.jit
def evaluate(params: dict, problem: SpectralProblem, maps: jax.Array) -> dict:
    """Everything in one program: most of the time of these tests is compilation."""
    seen = observe(problem, maps)
    x = coordinates(params, problem.model, max(problem.cells.lengths))
    here, nodes = row_values(problem, seen.rows, x), jnp.tile(x[:, :1], 4) * jnp.linspace(0.9, 1, 4)
    return {
        "nll": nll(params, problem, seen),
        "expansion": expand(params, problem, seen),
        "at": derivatives(problem, seen.rows, x),
        "row_values": here,
        "components": components(params, problem, maps),
        "total": seen.rows.total,
        "rise": [scanning._rise(problem, seen.rows, x, here, nodes, i)[1] for i in range(3)],
        "moved": [
            jax.lax.map(
                lambda to, i=i: jnp.sum(row_values(problem, seen.rows, x.at[i, 1].set(to)) - here),
                nodes[i],
            )
            for i in range(3)
        ],
    }


@lru_cache
def ours(kind: str, form: str) -> dict:
    case = make_case(kind, form)
    return evaluate(case.params, case.problem, case.maps)


@jax.jit
def furax_with_covariance(params: dict, problem: SpectralProblem, variance: jax.Array, maps):
    """furax as it comes, with a variance of every band and pixel."""
    stokes = Stokes.from_stokes(maps[:, 0], maps[:, 1])

    def value(params):
        with Config(solver=_SOLVER):
            return negative_log_likelihood(
                params=params,
                nu=problem.frequency,
                N=DiagonalOperator(variance, in_structure=stokes.structure),
                d=stokes,
                dust_nu0=150.0,
                synchrotron_nu0=20.0,
                patch_indices={f"{p}_patches": problem.labels[p] for p in params},
                analytical_gradient=True,
            )

    return jax.value_and_grad(value)(params)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("scale", "cells"),
        pytest.param("bands", "cells", marks=pytest.mark.soak),
        ("bands", "pixels"),
    ],
)
def test_it_is_furax_with_a_covariance_of_every_pixel(kind: str, form: str) -> None:
    case, found = make_case(kind, form), ours(kind, form)
    variance = jnp.asarray(case.covariance[..., 0, 0])
    theirs, slope = furax_with_covariance(case.params, case.problem, variance, case.maps)
    assert abs(found["nll"] / theirs - 1) < 1e-12
    size = max(float(jnp.max(jnp.abs(v))) for v in slope.values())
    for p in PARAMETERS:
        np.testing.assert_allclose(
            found["expansion"].gradient[p], slope[p], rtol=1e-9, atol=1e-9 * size
        )


@pytest.mark.parametrize("kind", ["scale", "stokes and bands"])
def test_the_reference_takes_the_same_noise(kind: str) -> None:
    case, found = make_case(kind, "cells"), ours(kind, "cells")
    seen = observe(case.problem, case.maps)
    theirs = jax.jit(furax_nll)(case.params, case.problem, seen)
    assert abs(found["nll"] / theirs - 1) < 1e-12


def plain(case: Case, params: dict) -> tuple[float, np.ndarray]:
    """chi_square and components, with the dense covariance of Q and U of a pixel in all bands."""
    dust, synchrotron = map(np.asarray, mixing(params, case.problem))
    maps, total, sky = np.asarray(case.maps), 0.0, np.empty((3, 2, N_PIXELS))
    for p in range(N_PIXELS):
        columns = np.stack([np.ones(FREQUENCY.size), dust[:, p], synchrotron[:, p]], axis=1)
        mixing_matrix = np.kron(columns, np.eye(2))
        covariance = np.zeros((FREQUENCY.size, 2, FREQUENCY.size, 2))
        for f in range(FREQUENCY.size):
            covariance[f, :, f] = case.covariance[f, p]
        root = np.linalg.cholesky(covariance.reshape(2 * FREQUENCY.size, -1))
        b, d = np.linalg.solve(root, mixing_matrix), np.linalg.solve(root, maps[:, :, p].ravel())
        q, r = np.linalg.qr(b)
        sky[:, :, p] = np.linalg.solve(r, q.T @ d).reshape(3, 2)
        total += np.sum((d - q @ (q.T @ d)) ** 2)
    return total, sky


def test_dense_twin(case: Case) -> None:
    found = evaluate(case.params, case.problem, case.maps)
    value, sky = plain(case, case.params)
    np.testing.assert_allclose(found["expansion"].value, value, rtol=1e-11)
    np.testing.assert_allclose(np.sum(found["row_values"]), value, rtol=1e-10)
    np.testing.assert_allclose(found["components"], sky, rtol=1e-9, atol=1e-9 * sky.std())
    power = np.einsum(
        "fsp,fpst,ftp->", case.maps, np.linalg.inv(case.covariance), np.asarray(case.maps)
    )
    np.testing.assert_allclose(found["total"], power, rtol=1e-12)


def test_cells_and_pixels_have_the_same_hessian() -> None:
    dense = []
    for form in FORMS:
        index = make_case("bands", form).problem.cells.flat_index
        blocks = []
        for (i, j), rows in zip(triangle(3), ours("bands", form)["at"].hessian, strict=True):
            empty = jnp.zeros((COUNTS[PARAMETERS[i]], COUNTS[PARAMETERS[j]]))
            blocks.append(np.ravel(empty.at[index[i], index[j]].add(rows)))
        dense.append(np.concatenate(blocks))
    np.testing.assert_allclose(*dense, rtol=1e-7, atol=1e-10 * np.abs(dense[0]).max())


def test_curvature_is_that_of_the_gradient() -> None:
    case = make_case("bands", "cells")
    seen = observe(case.problem, case.maps)
    slopes = jax.jit(jax.jacfwd(lambda q: expand(q, case.problem, seen).gradient))(case.params)
    for p in PARAMETERS:
        diagonal = jnp.diag(slopes[p][p])
        found = ours("bands", "cells")["expansion"].curvature[p]
        np.testing.assert_allclose(
            found, diagonal, rtol=1e-8, atol=1e-10 * float(jnp.max(diagonal))
        )


def test_the_scan_is_the_value_with_one_cluster_moved(case: Case) -> None:
    found = evaluate(case.params, case.problem, case.maps)
    for p, rise, moved in zip(PARAMETERS, found["rise"], found["moved"], strict=True):
        np.testing.assert_allclose(rise, moved, rtol=1e-7, atol=1e-6, err_msg=p)


def test_noise_that_pixels_have_in_all_bands_changes_no_component() -> None:
    case = make_case("scale", "cells")
    bare = replace(case.problem, weights=None)
    without = jax.jit(components)(case.params, bare, case.maps)
    np.testing.assert_allclose(ours("scale", "cells")["components"], without, rtol=1e-12)


@pytest.mark.parametrize("form", ["cells", pytest.param("pixels", marks=pytest.mark.soak)])
def test_classes_are_problems_of_their_own_also_with_bands_of_finite_width(form: str) -> None:
    case = make_case("bands", form)
    nodes = band_nodes([top_hat(f"{nu:g}", nu, 0.3) for nu in FREQUENCY])
    whole = replace(case.problem, bands=jax.tree.map(jnp.asarray, nodes))
    found, weights, total = evaluate(case.params, whole, case.maps), whole.weights, 0.0
    assert weights is not None
    assert weights.bands is not None
    for number, bands in enumerate(weights.bands):
        there = np.flatnonzero(np.asarray(weights.label) == number)
        alone = SpectralProblem.create(
            whole.frequency,
            whole.inverse_sigma * bands,
            {p: v[there] for p, v in whole.labels.items()},
            whole.model,
            form,
            whole.bands,
        )
        of_class = evaluate(case.params, alone, case.maps[..., there])
        total += of_class["expansion"].value
        np.testing.assert_allclose(
            found["components"][..., there], of_class["components"], rtol=1e-9, atol=1e-9
        )
    np.testing.assert_allclose(found["expansion"].value, total, rtol=1e-11)
    np.testing.assert_allclose(np.sum(found["row_values"]), total, rtol=1e-10)
    for rise, moved in zip(found["rise"], found["moved"], strict=True):
        np.testing.assert_allclose(rise, moved, rtol=1e-7, atol=1e-6)


def test_pixels_of_different_classes_are_in_different_rows() -> None:
    case = make_case("bands", "cells")
    weights, row = case.problem.weights, np.asarray(case.problem.cells.row)
    assert weights is not None
    label = np.asarray(weights.label)
    assert all(np.unique(label[row == r]).size == 1 for r in np.unique(row))
    classes = np.asarray(case.problem.cells.index[-1]).ravel()
    np.testing.assert_array_equal(classes[row], label)
