"""The spectral likelihood in closed form.

With d the whitened maps of a pixel (noise covariance diagonal) and B the whitened mixing matrix
(bands x components), S = d^T B (B^T B)^-1 B^T d summed over pixels, Q and U, and
nll = -S (Stompor et al. 2009, arXiv:0804.2645, eq. 6; the convention of furax). Solvers minimise
chi_square = d^T d - S, summed row by row: it differs from nll by a constant but keeps the digits
that decide (nll is of order 1e9, its differences of 1e-3).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from sweep.lanes import by_realisation, over_realisations, side_by_side
from sweep.model import SkyModel
from sweep.problem.cells import TILE, Rows, reduce
from sweep.problem.derivatives import derivatives
from sweep.problem.inverse import Symmetric, cholesky, solve, sum_of
from sweep.problem.sed import (
    SpectralProblem,
    Tables,
    basis_of,
    coordinates,
    fixed_columns,
    known_of,
    tables,
)
from sweep.problem.vectors import diagonal, triangle
from sweep.problem.weights import whitened
from sweep.types import FrequencyMaps, Params

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
    inverse_sigma, weights = problem.inverse_sigma, problem.weights
    classes, label = (None, None) if weights is None else (weights.bands, weights.label)
    known = known_of(basis_of(fixed_columns(problem), classes), label)
    return Observation(maps, reduce(problem.cells, known, whitened(inverse_sigma, weights, maps)))


def observe_block(problem: SpectralProblem, maps: Float[Array, "realisation ..."]) -> Observation:
    """`observe` for every realisation of a block."""
    return Observation(maps, by_realisation(lambda some: _rows_of(problem, some), maps))


@jax.jit
def _rows_of(problem: SpectralProblem, maps: Float[Array, "realisation ..."]) -> Rows:
    return over_realisations(lambda one: observe(problem, one).rows)(maps)


@jax.custom_jvp
def chi_square(params: Params, problem: SpectralProblem, observation: Observation) -> Scalar:
    """Whitened squared residual d^T d - S, with an analytic derivative for `params`."""
    return expand(params, problem, observation).value


@chi_square.defjvp
def _chi_square_jvp(primals: tuple, tangents: tuple) -> tuple[Scalar, Scalar]:
    expansion = expand(*primals)
    slopes = (jnp.vdot(expansion.gradient[p], tangents[0][p]) for p in expansion.gradient)
    return expansion.value, sum(slopes, start=jnp.zeros_like(expansion.value))


def nll(params: Params, problem: SpectralProblem, observation: Observation) -> Scalar:
    """Negative log likelihood -S, furax's `negative_log_likelihood`."""
    return chi_square(params, problem, observation) - observation.rows.total


def expand(params: Params, problem: SpectralProblem, observation: Observation) -> Expansion:
    """`chi_square`, its gradient and the diagonal of its Hessian."""
    model = problem.model
    of_rows = derivatives(problem, observation.rows, coordinates(params, model))
    index, curved = problem.cells.flat_index, diagonal(len(model.parameters))
    slope, curve = {}, {}
    for i, p in enumerate(model.parameters):
        summed = jax.ops.segment_sum(
            jnp.stack([of_rows.gradient[i], of_rows.hessian[curved[i]]], axis=-1),
            index[i],
            num_segments=params[p.name].shape[0],
        ).T
        first, second = p.coordinate.internal_derivatives(params[p.name])
        slope[p.name] = summed[0] * first
        curve[p.name] = summed[1] * first**2 + summed[0] * second
    return Expansion(jnp.sum(of_rows.chi_square), slope, curve)


def components(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> Components:
    """Maximum likelihood of all components, in the order of the model, uK_CMB.

    Those whose spectrum is fitted are at their references. Noise that the Stokes parameters of a
    pixel have in all bands alike does not enter: it weighs no band.
    """
    model = problem.model
    t = tables(problem, coordinates(params, model))
    n_pixels, n_stokes = problem.n_pixels, maps.shape[1]
    pad = 0 if side_by_side() else -n_pixels % TILE
    tile = n_pixels if side_by_side() else TILE
    index = jnp.pad(problem.index_of_pixels, ((0, 0), (0, pad)))
    padded = jnp.pad(maps, ((0, 0), (0, 0), (0, pad)))
    tiles = (
        index.reshape(len(index), -1, tile).swapaxes(0, 1),
        padded.reshape(*maps.shape[:2], -1, tile).transpose(2, 0, 1, 3),
    )

    def of_tile(given: tuple[Array, Array]) -> Components:
        return _components_of(model, t, problem.inverse_sigma, *given)

    solved = jax.lax.map(of_tile, tiles)
    count = len(model.component_names)
    return jnp.moveaxis(solved, 0, 2).reshape(count, n_stokes, -1)[..., :n_pixels]


def _components_of(
    model: SkyModel,
    t: Tables,
    inverse_sigma: Float[Array, " frequency"],
    index: Int[Array, "_ pixel"],
    maps: Array,
) -> Components:
    """Solve for the fitted components without what the known columns span, then for those.

    The normal equations of all together would square the condition of columns that are nearly
    alike, such as moments.
    """
    fixed, data = [known[:, None] for known in t.fixed], inverse_sigma[:, None, None] * maps
    for weight in t.weight(index):
        fixed, data = [known * weight for known in fixed], weight[:, None] * data
    basis = [known if known.ndim == 2 else known[:, None] for known in t.known(index)]
    columns = t.columns(model, index)
    along = [[jnp.sum(known * c, axis=0) for c in columns] for known in basis]
    free = [
        c - sum_of(known * each[i] for known, each in zip(basis, along, strict=True))
        for i, c in enumerate(columns)
    ]
    normal: Symmetric = {
        (i, j): jnp.sum(free[i] * free[j], axis=0) for i, j in triangle(len(columns))
    }
    right = [jnp.sum(c[:, None] * data, axis=0) for c in free]
    fitted = solve(cholesky(normal, len(columns)), right)

    solved: list[Array] = []
    for n in reversed(range(len(basis))):
        rest = jnp.sum(basis[n][:, None] * data, axis=0)
        rest = rest - sum_of(a * s for a, s in zip(along[n], fitted, strict=True))
        for later, amplitude in zip(fixed[n + 1 :], solved, strict=True):
            rest = rest - jnp.sum(later * basis[n], axis=0) * amplitude
        solved.insert(0, rest / jnp.sum(fixed[n] * basis[n], axis=0))
    return jnp.stack([*solved, *fitted])
