"""Bands of finite width in the fit, against spectra integrated densely at every pixel."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from sweep.bands import BandNodes, band_nodes, top_hat
from sweep.problem import SpectralProblem, expand, observe
from sweep.units import rj_to_cmb
from tests.problem import test_models as models

WIDTH = 0.3
DENSE, WEIGHTS = np.polynomial.legendre.leggauss(40)


@pytest.fixture(scope="module")
def nodes() -> BandNodes:
    return band_nodes([top_hat("band", nu, WIDTH) for nu in models.NU])


def through_band(columns: list[Array], nu: Array) -> Array:
    """Columns in K_CMB over the dense nodes of a band, as the map in K_CMB sees them."""
    weight = WEIGHTS * nu**2 / rj_to_cmb(nu, jnp)
    return jnp.stack(columns) @ weight / jnp.sum(weight)


def plain(case: models.Case, problem: SpectralProblem, params: dict, maps: Array) -> Array:
    """chi_square by solving for the components at every pixel."""
    bands = jnp.asarray(models.NU[:, None] * (1 + 0.5 * WIDTH * DENSE))

    def of_pixel(own: dict, d: Array) -> Array:
        def of_band(nu: Array) -> Array:
            return through_band([jnp.ones_like(nu), *case.spectra(own, nu)], nu)

        columns = jax.vmap(of_band)(bands)
        q, _ = jnp.linalg.qr(problem.inverse_sigma[:, None] * columns)
        data = problem.inverse_sigma[:, None] * d
        return jnp.sum((data - q @ (q.T @ data)) ** 2)

    own = {p: params[p][problem.labels[p]] for p in problem.model.names}
    return jnp.sum(jax.vmap(of_pixel, (0, 2))(own, maps))


POINTS = [
    ("curved_synchrotron", "cells"),
    pytest.param("two dusts", "pixels", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("name", "form"), POINTS)
def test_a_fit_with_bands_is_that_of_dense_integrals(
    name: str, form: str, nodes: BandNodes
) -> None:
    case, rng = models.CASES[name], np.random.default_rng(5)
    deal = np.arange(models.N_PIXELS, dtype=np.int32)
    labels = {
        p: jnp.asarray(rng.permutation(deal % (models.COUNT - k % 2)), jnp.int32)
        for k, p in enumerate(case.model.names)
    }
    sigma = jnp.asarray(rng.uniform(0.5, 2.0, models.NU.size))
    problem = SpectralProblem.create(
        jnp.asarray(models.NU), sigma, labels, case.model, form, jax.tree.map(jnp.asarray, nodes)
    )
    around = models.AROUND
    params = {p: jnp.asarray(rng.uniform(*around[p], problem.counts[p])) for p in case.model.names}
    maps = jnp.asarray(rng.normal(0.0, 30.0, (models.NU.size, 2, models.N_PIXELS)))
    ends = [p.coordinate.internal(jnp.array(around[p.name])) for p in case.model.parameters]
    places = jnp.sort(jnp.stack(ends), axis=1)
    found = models.evaluate(params, problem, maps, places)

    value, slope = jax.jit(jax.value_and_grad(lambda given: plain(case, problem, given, maps)))(
        params
    )
    np.testing.assert_allclose(found["expansion"].value, value, rtol=1e-7)
    np.testing.assert_allclose(jnp.sum(found["row_values"]), value, rtol=1e-7)
    for p, of_ours in found["expansion"].gradient.items():
        atol = 1e-4 * float(jnp.max(jnp.abs(slope[p])))
        np.testing.assert_allclose(of_ours, slope[p], atol=atol, err_msg=p)
    for p, rise, moved in zip(case.model.names, found["rise"], found["moved"], strict=True):
        np.testing.assert_allclose(rise, moved, rtol=1e-6, atol=1e-5, err_msg=p)


def test_the_curvature_with_bands_is_that_of_its_own_gradient(nodes: BandNodes) -> None:
    case, rng = models.CASES["dust"], np.random.default_rng(3)
    labels = {p: jnp.zeros(models.N_PIXELS, jnp.int32) for p in case.model.names}
    sigma = jnp.asarray(rng.uniform(0.5, 2.0, models.NU.size))
    problem = SpectralProblem.create(
        jnp.asarray(models.NU), sigma, labels, case.model, bands=jax.tree.map(jnp.asarray, nodes)
    )
    maps = jnp.asarray(rng.normal(0.0, 30.0, (models.NU.size, 2, models.N_PIXELS)))
    params = {"beta_dust": jnp.array([1.6]), "temp_dust": jnp.array([19.0])}
    seen = observe(problem, maps)
    found = jax.jit(expand)(params, problem, seen)
    for p in params:

        def slope(x: Array, p: str = p) -> Array:
            return expand(params | {p: x[None]}, problem, seen).gradient[p][0]

        expected = jax.jit(jax.jacfwd(slope))(params[p][0])
        np.testing.assert_allclose(found.curvature[p][0], expected, rtol=1e-8)


def test_bands_without_width_are_monochromatic(nodes: BandNodes) -> None:
    case, rng = models.CASES["two dusts"], np.random.default_rng(3)
    labels = {p: jnp.zeros(models.N_PIXELS, jnp.int32) for p in case.model.names}
    nu = jnp.asarray(models.NU)
    problem = SpectralProblem.create(nu, jnp.ones(nu.size), labels, case.model)
    narrow = band_nodes([top_hat("band", f, 0.0) for f in models.NU])
    banded = replace(problem, bands=jax.tree.map(jnp.asarray, narrow))
    wide = replace(problem, bands=jax.tree.map(jnp.asarray, nodes))
    maps = jnp.asarray(rng.normal(0.0, 30.0, (nu.size, 2, models.N_PIXELS)))
    params = {p: jnp.asarray(rng.uniform(*models.AROUND[p], 1)) for p in case.model.names}
    one, same, other = (
        jax.jit(expand)(params, each, observe(each, maps)).value for each in (problem, banded, wide)
    )
    np.testing.assert_allclose(same, one, rtol=1e-12)
    assert abs(other / one - 1) > 1e-6
