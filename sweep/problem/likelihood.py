"""The spectral likelihood in closed form.

With d the whitened maps of a pixel (noise covariance diagonal) and B the whitened mixing matrix
(bands x {cmb, dust, synchrotron}), S = d^T B (B^T B)^-1 B^T d summed over pixels, Q and U, and
nll = -S (Stompor et al. 2009, arXiv:0804.2645, eq. 6; the convention of furax). Solvers minimise
chi_square = d^T d - S, summed row by row: it differs from nll by a constant but keeps the digits
that decide (nll is of order 1e9, its differences of 1e-3).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from sweep.lanes import over_realisations, side_by_side
from sweep.problem.cells import TILE, Rows, reduce
from sweep.problem.derivatives import DIAGONAL, derivatives
from sweep.problem.sed import SpectralProblem, Tables, coordinates, tables
from sweep.types import PARAMETERS, FrequencyMaps, Params

Components = Float[Array, "component stokes pixel"]

NLL_TO_COVARIANCE = 2.0
"""Covariance times Hessian of nll or chi_square, which are -2 ln L up to constants."""


def held_by_box(value: Any, slope: Any, low: Any, high: Any) -> Any:
    """Whether parameters are at an end of their box and would leave it downhill; any arrays."""
    return ((value <= low) & (slope > 0)) | ((value >= high) & (slope < 0))


class Observation(NamedTuple):
    """One realisation as the likelihoods take it; see `observe`.

    Attributes:
        maps: uK_CMB, shape (frequency, stokes, pixel).
        rows: the same, whitened and reduced to the cells of the problem.
    """

    maps: FrequencyMaps
    rows: Rows


class Expansion(NamedTuple):
    """chi_square to second order; the leaves of `gradient` and `curvature` are as the parameters.

    Attributes:
        value: chi_square.
        gradient: its gradient.
        curvature: the diagonal of its Hessian. Within one parameter it is all of the Hessian,
            since clusters of one parameter share no pixel.
    """

    value: Scalar
    gradient: Params
    curvature: Params


def observe(problem: SpectralProblem, maps: FrequencyMaps) -> Observation:
    """Reduce the maps of one realisation, shape (frequency, stokes, pixel), uK_CMB."""
    return Observation(maps, reduce(problem.cells, problem.inverse_sigma, maps))


@jax.jit
def observe_block(problem: SpectralProblem, maps: Float[Array, "realisation ..."]) -> Observation:
    """`observe` for every realisation of a block."""
    return Observation(maps, over_realisations(lambda one: observe(problem, one).rows)(maps))


@jax.custom_jvp
def chi_square(params: Params, problem: SpectralProblem, observation: Observation) -> Scalar:
    """Whitened squared residual d^T d - S, with an analytic derivative for `params`."""
    return expand(params, problem, observation).value


@chi_square.defjvp
def _chi_square_jvp(primals: tuple, tangents: tuple) -> tuple[Scalar, Scalar]:
    expansion = expand(*primals)
    slopes = (jnp.vdot(expansion.gradient[p], tangents[0][p]) for p in PARAMETERS)
    return expansion.value, sum(slopes, start=jnp.zeros_like(expansion.value))


def nll(params: Params, problem: SpectralProblem, observation: Observation) -> Scalar:
    """Negative log likelihood -S, furax's `negative_log_likelihood`."""
    return chi_square(params, problem, observation) - observation.rows.total


def expand(params: Params, problem: SpectralProblem, observation: Observation) -> Expansion:
    """`chi_square`, its gradient and the diagonal of its Hessian."""
    of_rows = derivatives(problem, observation.rows, coordinates(params))
    index = problem.cells.flat_index
    sums = {
        p: jax.ops.segment_sum(
            jnp.stack([of_rows.gradient[i], of_rows.hessian[DIAGONAL[i]]], axis=-1),
            index[i],
            num_segments=params[p].shape[0],
        ).T
        for i, p in enumerate(PARAMETERS)
    }
    slope, curve = ({p: sums[p][k] for p in PARAMETERS} for k in (0, 1))
    # from inverse temperature c = 1/T to temperature
    t, g, h = params["temp_dust"], slope["temp_dust"], curve["temp_dust"]
    slope["temp_dust"] = -g / t**2
    curve["temp_dust"] = h / t**4 + 2.0 * g / t**3
    return Expansion(jnp.sum(of_rows.chi_square), slope, curve)


def components(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Components:
    """Maximum likelihood (cmb, dust, synchrotron), uK_CMB, the last two at their references."""
    t = tables(problem, coordinates(params))
    n_pixels = problem.n_pixels
    pad = 0 if side_by_side() else -n_pixels % TILE
    tile = n_pixels if side_by_side() else TILE
    labels = jnp.pad(jnp.stack([problem.labels[p] for p in PARAMETERS]), ((0, 0), (0, pad)))
    padded = jnp.pad(maps, ((0, 0), (0, 0), (0, pad)))
    tiles = (
        labels.reshape(3, -1, tile).swapaxes(0, 1),
        padded.reshape(*maps.shape[:2], -1, tile).transpose(2, 0, 1, 3),
    )
    solved = jax.lax.map(lambda given: _components_of(t, *given), tiles)
    return jnp.moveaxis(solved, 0, 2).reshape(3, 2, -1)[..., :n_pixels]


def _components_of(t: Tables, labels: Int[Array, "parameter pixel"], maps: Array) -> Components:
    """Solve B^T B s = B^T d at every pixel of a tile."""
    cmb = t.cmb[:, None]
    dust = t.power[labels[0]].T * t.planck[labels[1]].T
    synchrotron = t.synchrotron[labels[2]].T
    whitened = cmb[:, None] * maps

    # Cholesky factor of B^T B, 3 x 3 at each pixel, written out: it fuses, a batched one does not
    l00 = jnp.linalg.norm(t.cmb)
    l10, l20 = jnp.sum(cmb * dust, axis=0) / l00, jnp.sum(cmb * synchrotron, axis=0) / l00
    l11 = jnp.sqrt(jnp.sum(dust**2, axis=0) - l10**2)
    l21 = (jnp.sum(dust * synchrotron, axis=0) - l20 * l10) / l11
    l22 = jnp.sqrt(jnp.sum(synchrotron**2, axis=0) - l20**2 - l21**2)

    z0 = jnp.sum(cmb[:, None] * whitened, axis=0) / l00
    z1 = (jnp.sum(dust[:, None] * whitened, axis=0) - l10 * z0) / l11
    z2 = (jnp.sum(synchrotron[:, None] * whitened, axis=0) - l20 * z0 - l21 * z1) / l22
    s2 = z2 / l22
    s1 = (z1 - l21 * s2) / l11
    return jnp.stack([(z0 - l10 * s1 - l20 * s2) / l00, s1, s2])
