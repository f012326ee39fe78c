"""The likelihood of models that are not the standard one, against the formula for every pixel."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from sweep.model import MODELS, Component, Pivot, PlanckRatio, PowerLaw, SkyModel
from sweep.model.components import CMB, dust, synchrotron
from sweep.model.parameters import BETA_DUST, TEMP_DUST
from sweep.problem import SpectralProblem, components, expand, observe
from sweep.problem.derivatives import Derivatives, derivatives, row_values
from sweep.problem.likelihood import Expansion
from sweep.problem.sed import coordinates
from sweep.problem.vectors import triangle
from sweep.solvers.newton import scan as scanning
from sweep.units import H_OVER_K_GHZ, rj_to_cmb

NU = np.array([30.0, 44.0, 70.0, 95.0, 143.0, 217.0, 280.0, 353.0, 545.0])
N_PIXELS, COUNT = 24, 5


PIVOT = Pivot(dust_nu0=150.0, synchrotron_nu0=20.0, start={"beta_dust": 1.6, "temp_dust": 19.0})
COLD = (
    PlanckRatio(replace(TEMP_DUST, name="temp_cold")),
    PowerLaw(replace(BETA_DUST, name="beta_cold"), 1.0),
)

Spectra = Callable[[dict, Array], list]


def _dust(beta: Array, t: Array, nu: Array) -> Array:
    planck = jnp.expm1(H_OVER_K_GHZ * 150.0 / t) / jnp.expm1(H_OVER_K_GHZ * nu / t)
    return (nu / 150.0) ** (1.0 + beta) * planck * rj_to_cmb(nu, jnp) / rj_to_cmb(150.0)


def _power(beta: Array | float, nu: Array) -> Array:
    return (nu / 20.0) ** beta * rj_to_cmb(nu, jnp) / rj_to_cmb(20.0)


@dataclass(frozen=True)
class Case:
    """A model, and its columns beside the CMB's as anyone would write them down.

    Attributes:
        spectra: from the parameters of a pixel and frequencies to these columns.
    """

    model: SkyModel
    spectra: Spectra


def _standard(p: dict, nu: Array) -> list:
    return [_dust(p["beta_dust"], p["temp_dust"], nu), _power(p["beta_pl"], nu)]


def _moments(p: dict, nu: Array) -> list:
    def column(at: Array) -> Array:
        return _dust(at[0], 1.0 / at[1], nu)

    at = jnp.array([1.6, 1.0 / 19.0])
    first, second = jax.jacfwd(column)(at), jax.jacfwd(jax.jacfwd(column))(at)
    moments = [column(at), *first.T, second[:, 0, 0], second[:, 0, 1], second[:, 1, 1]]
    return [*moments, _power(p["beta_pl"], nu)]


CASES = {
    "dust": Case(MODELS["dust"](PIVOT), lambda p, nu: [_dust(p["beta_dust"], p["temp_dust"], nu)]),
    "curved_synchrotron": Case(
        MODELS["curved_synchrotron"](PIVOT),
        lambda p, nu: [
            _dust(p["beta_dust"], p["temp_dust"], nu),
            _power(p["beta_pl"] + p["curvature_pl"] * jnp.log(nu / 20.0), nu),
        ],
    ),
    "free_free": Case(
        MODELS["free_free"](PIVOT),
        lambda p, nu: [_power(-2.14, nu), *_standard(p, nu)],
    ),
    "moments": Case(MODELS["moments"](PIVOT), _moments),
    "two dusts": Case(
        SkyModel((CMB,), (dust(PIVOT), Component("cold", 150.0, COLD), synchrotron(PIVOT))),
        lambda p, nu: [
            _dust(p["beta_dust"], p["temp_dust"], nu),
            _dust(p["beta_cold"], p["temp_cold"], nu),
            _power(p["beta_pl"], nu),
        ],
    ),
}

POINTS = [
    ("dust", "pixels"),
    ("curved_synchrotron", "cells"),
    ("free_free", "pixels"),
    ("moments", "cells"),
    ("two dusts", "cells"),
    ("two dusts", "pixels"),
]

AROUND = {
    "beta_dust": (1.4, 1.7),
    "temp_dust": (17.0, 21.0),
    "beta_pl": (-3.2, -2.9),
    "curvature_pl": (-0.1, 0.1),
    "beta_cold": (0.9, 1.3),
    "temp_cold": (5.0, 7.0),
}


class Point(NamedTuple):
    """A problem, parameters, maps that no model fits well, and what our code says of them."""

    case: Case
    problem: SpectralProblem
    params: dict
    maps: Array
    nodes: Array
    expansion: Expansion
    components: Array
    at: Derivatives
    row_values: Array
    rise: list[Array]
    moved: list[Array]


@jax.jit
def evaluate(params: dict, problem: SpectralProblem, maps: Array, nodes: Array) -> dict:
    """Everything in one program: most of the time of these tests is compilation."""
    model, seen = problem.model, observe(problem, maps)
    x = coordinates(params, model, max(problem.cells.lengths))
    here = row_values(problem, seen.rows, x)
    every = range(len(model.names))
    return {
        "expansion": expand(params, problem, seen),
        "components": components(params, problem, maps),
        "at": derivatives(problem, seen.rows, x),
        "row_values": here,
        "rise": [scanning._rise(problem, seen.rows, x, here, nodes, i)[1] for i in every],
        "moved": [
            jax.lax.map(
                lambda to, i=i: jnp.sum(row_values(problem, seen.rows, x.at[i, 1].set(to)) - here),
                nodes[i],
            )
            for i in every
        ],
    }


@pytest.fixture(scope="module", params=POINTS, ids=" as ".join)
def point(request: pytest.FixtureRequest) -> Point:
    name, form = request.param
    case, rng = CASES[name], np.random.default_rng(5)
    deal = np.arange(N_PIXELS, dtype=np.int32)
    labels = {
        p: jnp.asarray(rng.permutation(deal % (COUNT - k % 2)), jnp.int32)
        for k, p in enumerate(case.model.names)
    }
    problem = SpectralProblem.create(
        jnp.asarray(NU), jnp.asarray(rng.uniform(0.5, 2.0, NU.size)), labels, case.model, form
    )
    params = {p: jnp.asarray(rng.uniform(*AROUND[p], problem.counts[p])) for p in case.model.names}
    maps = jnp.asarray(rng.normal(0.0, 30.0, (NU.size, 2, N_PIXELS)))
    ends = [p.coordinate.internal(jnp.array(AROUND[p.name])) for p in case.model.parameters]
    nodes = jnp.sort(jnp.stack(ends), axis=1)
    found = evaluate(params, problem, maps, nodes)
    return Point(case, problem, params, maps, nodes, **found)


def plain(point: Point, params: dict) -> tuple[Array, Array]:
    """chi_square, and the components of every pixel, by solving for them there."""
    nu, weight = jnp.asarray(NU), point.problem.inverse_sigma

    def of_pixel(own: dict, d: Array) -> tuple[Array, Array]:
        columns = jnp.stack([jnp.ones_like(nu), *point.case.spectra(own, nu)], axis=1)
        q, r = jnp.linalg.qr(weight[:, None] * columns)
        data = weight[:, None] * d
        return jnp.sum((data - q @ (q.T @ data)) ** 2), jnp.linalg.solve(r, q.T @ data)

    own = {p: params[p][point.problem.labels[p]] for p in point.problem.model.names}
    values, s = jax.vmap(of_pixel, (0, 2))(own, point.maps)
    return jnp.sum(values), jnp.moveaxis(s, 0, 2)


def test_value_slope_and_components_are_those_of_the_plain_formula(point: Point) -> None:
    of_plain = jax.jit(jax.value_and_grad(partial(plain, point), has_aux=True))
    (value, solved), slope = of_plain(point.params)
    np.testing.assert_allclose(point.expansion.value, value, rtol=1e-9)
    np.testing.assert_allclose(jnp.sum(point.row_values), value, rtol=1e-9)
    for p, found in point.expansion.gradient.items():
        scale = float(jnp.max(jnp.abs(slope[p])))
        np.testing.assert_allclose(found, slope[p], rtol=1e-6, atol=1e-7 * scale)
    atol = 1e-6 * float(jnp.std(solved))
    np.testing.assert_allclose(point.components, solved, rtol=1e-5, atol=atol)


def test_the_hessian_is_that_of_the_plain_formula(point: Point) -> None:
    model = point.problem.model
    ends = np.cumsum([0, *(v.size for v in point.params.values())])

    def value(flat: Array) -> Array:
        parts = zip(model.parameters, jnp.split(flat, ends[1:-1]), strict=True)
        return plain(point, {p.name: p.coordinate.own(x) for p, x in parts})[0]

    internal = [p.coordinate.internal(point.params[p.name]) for p in model.parameters]
    expected = jax.jit(jax.hessian(value))(jnp.concatenate(internal))
    found = np.zeros(expected.shape)
    index = np.asarray(point.problem.cells.flat_index) + ends[:-1, None]
    pairs = triangle(len(model.names))
    for (i, j), of_rows in zip(pairs, np.asarray(point.at.hessian), strict=True):
        np.add.at(found, (index[i], index[j]), of_rows)
        if i != j:
            np.add.at(found, (index[j], index[i]), of_rows)
    for i, j in pairs:
        block = (slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1]))
        scale = float(jnp.max(jnp.abs(expected[block]))) + 1e-12
        np.testing.assert_allclose(found[block], expected[block], atol=1e-6 * scale)


def test_the_scan_is_the_value_with_one_cluster_moved(point: Point) -> None:
    for p, rise, moved in zip(point.problem.model.names, point.rise, point.moved, strict=True):
        np.testing.assert_allclose(rise, moved, rtol=1e-6, atol=1e-5, err_msg=p)


def test_what_is_fitted_has_one_name_each() -> None:
    with pytest.raises(ValueError, match="expected each name once"):
        SkyModel((CMB,), (dust(PIVOT), Component("other", 150.0, (PowerLaw(BETA_DUST),))))
    with pytest.raises(ValueError, match="a factor at least"):
        SkyModel((CMB,), ())
