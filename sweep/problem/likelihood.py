"""The spectral likelihood in closed form, pixel by pixel.

With d the whitened maps of a pixel (noise covariance diagonal) and B the whitened mixing matrix
(bands x {cmb, dust, synchrotron}), S = d^T B (B^T B)^-1 B^T d summed over pixels, Q and U, and
nll = -S (Stompor et al. 2009, arXiv:0804.2645, eq. 6; the convention of furax). Solvers minimise
chi_square = d^T d - S, summed as squared residuals: it differs from nll by a constant but keeps
the digits that decide (nll is of order 1e9, its differences of 1e-3).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from sweep.problem.sed import Mixing, SpectralProblem, mixing
from sweep.types import FrequencyMaps, Params

Components = Float[Array, "component stokes pixel"]


class _Projection(NamedTuple):
    """The whitened maps split into the part that the mixing matrix spans and the rest."""

    mixing: Mixing
    whitened: FrequencyMaps
    z: Components
    """B^T d in the basis that the Cholesky factor of B^T B makes orthonormal."""
    components: Components


def _project(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> _Projection:
    columns = mixing(params, problem)
    cmb = problem.inverse_sigma
    dust = cmb[:, None] * columns.dust
    synchrotron = cmb[:, None] * columns.synchrotron
    whitened = cmb[:, None, None] * maps

    # Cholesky factor of B^T B, 3 x 3 at each pixel, written out: it fuses, a batched one does not
    l00 = jnp.sqrt(jnp.sum(cmb**2))
    l10 = (cmb @ dust) / l00
    l20 = (cmb @ synchrotron) / l00
    l11 = jnp.sqrt(jnp.sum(dust**2, axis=0) - l10**2)
    l21 = (jnp.sum(dust * synchrotron, axis=0) - l20 * l10) / l11
    l22 = jnp.sqrt(jnp.sum(synchrotron**2, axis=0) - l20**2 - l21**2)

    z0 = jnp.sum(cmb[:, None, None] * whitened, axis=0) / l00
    z1 = (jnp.sum(dust[:, None] * whitened, axis=0) - l10 * z0) / l11
    z2 = (jnp.sum(synchrotron[:, None] * whitened, axis=0) - l20 * z0 - l21 * z1) / l22
    s2 = z2 / l22
    s1 = (z1 - l21 * s2) / l11
    s0 = (z0 - l10 * s1 - l20 * s2) / l00
    return _Projection(columns, whitened, jnp.stack([z0, z1, z2]), jnp.stack([s0, s1, s2]))


def nll(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Scalar:
    """Negative log likelihood -S, furax's `negative_log_likelihood`."""
    return -jnp.sum(_project(params, problem, maps).z ** 2)


def components(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Components:
    """Maximum likelihood (cmb, dust, synchrotron), uK_CMB, the last two at their references."""
    return _project(params, problem, maps).components


def _residual(problem: SpectralProblem, projection: _Projection) -> FrequencyMaps:
    columns = projection.mixing
    cmb, dust, synchrotron = projection.components
    model = (
        cmb[None] + columns.dust[:, None] * dust[None] + columns.synchrotron[:, None] * synchrotron
    )
    return projection.whitened - problem.inverse_sigma[:, None, None] * model


@jax.custom_jvp
def chi_square(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Scalar:
    """Whitened squared residual d^T d - S, with an analytic derivative for `params`."""
    return jnp.sum(_residual(problem, _project(params, problem, maps)) ** 2)


@chi_square.defjvp
def _chi_square_jvp(primals: tuple, tangents: tuple) -> tuple[Scalar, Scalar]:
    params, problem, maps = primals
    value, slope = value_and_gradient(params, problem, maps)
    return value, sum(jnp.vdot(slope[p], tangents[0][p]) for p in slope)  # pyright: ignore


def value_and_gradient(
    params: Params, problem: SpectralProblem, maps: FrequencyMaps
) -> tuple[Scalar, Params]:
    """`chi_square` and its gradient, shapes as `params`.

    With s at its optimum the gradient is -2 r^T (dB/dtheta) s: only the explicit derivative of
    the mixing matrix counts (envelope theorem).
    """
    projection = _project(params, problem, maps)
    columns = projection.mixing
    residual = _residual(problem, projection)
    weighted = problem.inverse_sigma[:, None, None] * residual
    dust = jnp.sum(weighted * projection.components[1], axis=1) * columns.dust
    synchrotron = jnp.sum(weighted * projection.components[2], axis=1) * columns.synchrotron
    labels = problem.labels
    per_pixel = {
        "beta_dust": columns.log_dust @ dust,
        "temp_dust": jnp.sum(columns.dust_temperature[:, labels["temp_dust"]] * dust, axis=0),
        "beta_pl": columns.log_synchrotron @ synchrotron,
    }
    slope = {
        p: -2.0 * jax.ops.segment_sum(per_pixel[p], labels[p], num_segments=params[p].shape[0])
        for p in params
    }
    return jnp.sum(residual**2), slope


def gradient(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Params:
    """Gradient of `chi_square` (and of `nll`), shapes as `params`."""
    return value_and_gradient(params, problem, maps)[1]


def curvature(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Params:
    """Diagonal of the Hessian of `chi_square`, shapes as `params`.

    Clusters of one parameter share no pixel, so the Hessian times the vector of ones of that
    parameter is its exact diagonal.
    """

    def diagonal(name: str) -> Array:
        ones = {p: jnp.full_like(v, p == name) for p, v in params.items()}
        return jax.jvp(lambda q: gradient(q, problem, maps), (params,), (ones,))[1][name]

    return {p: diagonal(p) for p in params}
