"""Priors: against their plain formula, in both coordinates."""

import jax
import jax.numpy as jnp
import numpy as np

from sweep.problem.prior import Penalty, Prior, curvature, penalty
from tests.problems import STANDARD

MEAN = {"beta_dust": jnp.array([1.5, 1.6]), "temp_dust": jnp.array([20.0, 21.0])}
PRECISION = {"beta_dust": jnp.array([100.0, 0.0]), "temp_dust": jnp.array([0.25, 0.25])}
PARAMS = {
    "beta_dust": jnp.array([1.4, 9.0]),
    "temp_dust": jnp.array([24.0, 18.0]),
    "beta_pl": jnp.array([-3.0, -2.0]),
}


def internal() -> tuple[Penalty, jax.Array]:
    """The same in internal coordinates: beta_dust, 1 / temp_dust, beta_pl."""
    none = jnp.zeros(2)
    given = Penalty(
        jnp.stack([MEAN["beta_dust"], MEAN["temp_dust"], none]),
        jnp.stack([PRECISION["beta_dust"], PRECISION["temp_dust"], none]),
        STANDARD,
    )
    x = jnp.stack([PARAMS["beta_dust"], 1.0 / PARAMS["temp_dust"], PARAMS["beta_pl"]])
    return given, x


def test_the_penalty_is_the_squared_distance_in_widths() -> None:
    prior = Prior(MEAN, PRECISION)
    expected = (0.1 / 0.1) ** 2 + (4.0 / 2.0) ** 2 + (3.0 / 2.0) ** 2
    np.testing.assert_allclose(penalty(prior, PARAMS), expected, rtol=1e-12)
    assert penalty(None, PARAMS) == 0.0
    # a fixed parameter has no prior to count
    without = {p: v for p, v in PARAMS.items() if p != "temp_dust"}
    np.testing.assert_allclose(penalty(prior, without), 1.0, rtol=1e-12)


def test_its_curvature_is_that_of_the_penalty() -> None:
    prior = Prior(MEAN, PRECISION)
    hessian = jax.hessian(lambda x: penalty(prior, PARAMS | {"temp_dust": x}))(PARAMS["temp_dust"])
    np.testing.assert_allclose(np.diag(hessian), curvature(prior, "temp_dust"), rtol=1e-12)
    assert curvature(prior, "beta_pl") == 0.0
    assert curvature(None, "temp_dust") == 0.0


def test_internal_derivatives_are_those_of_the_penalty() -> None:
    given, x = internal()

    def value(at: jax.Array) -> jax.Array:
        own = {"beta_dust": at[0], "temp_dust": 1.0 / at[1]}
        return penalty(Prior(MEAN, PRECISION), own)

    gradient, hessian, gauss_newton = given.derivatives(x)
    np.testing.assert_allclose(gradient, jax.grad(value)(x), rtol=1e-10)
    dense = jax.hessian(value)(x).reshape(6, 6)
    np.testing.assert_allclose(hessian.ravel(), np.diag(dense), rtol=1e-10)
    assert np.all(gauss_newton >= 0.0)
    # at the mean both curvatures agree
    at_mean = jnp.stack([MEAN["beta_dust"], 1.0 / MEAN["temp_dust"], x[2]])
    _, hessian, gauss_newton = given.derivatives(at_mean)
    np.testing.assert_allclose(hessian, gauss_newton, rtol=1e-12)


def test_a_rise_keeps_the_digits_of_small_steps() -> None:
    given, x = internal()
    step = jnp.full_like(x, 1e-9) * x
    gradient, hessian, _ = given.derivatives(x)
    expected = gradient * step + 0.5 * hessian * step**2
    np.testing.assert_allclose(given.rise(x, x + step), expected, rtol=1e-6, atol=1e-18)
