"""Fit a block of realisations and describe where each fit ended."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sweep.problem import SpectralProblem, chi_square, components, curvature, gradient, nll
from sweep.problem.reference import furax_nll
from sweep.solvers import Bounds, Objective, Solver
from sweep.solvers.base import BlockMaps
from sweep.types import PARAMETERS, Params, Status

OBJECTIVES: dict[str, Objective] = {"direct": chi_square, "furax": furax_nll}


class BlockResult(NamedTuple):
    """One entry a realisation, shapes (realisation, ...), numpy.

    Attributes:
        status: int8, `sweep.types.Status`.
        cmb: recovered CMB, uK_CMB, shape (realisation, stokes, pixel).
        cmb_variance: var Q + var U of `cmb` over the kept pixels, uK_CMB^2.
        nll: -S, furax's convention.
        iterations, evaluations: of the solver.
        gradient_norm: largest slope of a free parameter in units of the square root of its own
            curvature, that is the distance to the minimum along it in its standard deviations.
        seconds: wall time of the solver for the block, shared equally, without compilation.
        params: spectral parameters, shape (realisation, cluster).
    """

    status: np.ndarray
    cmb: np.ndarray
    cmb_variance: np.ndarray
    nll: np.ndarray
    iterations: np.ndarray
    evaluations: np.ndarray
    gradient_norm: np.ndarray
    seconds: np.ndarray
    params: dict[str, np.ndarray]


def fit_block(
    solver: Solver, objective: Objective, problem: SpectralProblem, maps: BlockMaps, bounds: Bounds
) -> BlockResult:
    """Fit every realisation of `maps`, shape (realisation, frequency, stokes, pixel), uK_CMB.

    Cluster axes of `bounds` may be longer than the number of clusters; what pads them is cut off.

    Nothing here raises for a bad realisation: its status says what happened, and the others of
    the block are what they would have been without it.
    """
    solve = solver.prepare(objective, problem, maps, bounds)
    start = time.perf_counter()
    solution = solve()
    seconds = (time.perf_counter() - start) / len(maps)

    params = {p: jnp.asarray(solution.params[p])[:, : problem.counts[p]] for p in PARAMETERS}
    end = _describe(params, problem, maps, bounds)
    status = np.asarray(solution.status, np.int8).copy()
    finite = np.isfinite(np.asarray(end["nll"])) & np.isfinite(np.asarray(end["cmb_variance"]))
    status[~np.asarray(end["inside"])] = Status.OUTSIDE_BOX
    status[~finite] = Status.NONFINITE
    return BlockResult(
        status=status,
        iterations=np.asarray(solution.iterations),
        evaluations=np.asarray(solution.evaluations),
        seconds=np.full(len(maps), seconds),
        params={p: np.asarray(v) for p, v in params.items()},
        **{k: np.asarray(end[k]) for k in ("cmb", "cmb_variance", "nll", "gradient_norm")},
    )


@jax.jit
@partial(jax.vmap, in_axes=(0, None, 0, None))
def _describe(
    params: Params, problem: SpectralProblem, maps: Array, bounds: Bounds
) -> dict[str, Array]:
    counts = {p: v.shape[0] for p, v in params.items()}
    low = {p: bounds.low[p][: counts[p]] for p in params}
    high = {p: bounds.high[p][: counts[p]] for p in params}
    cmb = components(params, problem, maps)[0]
    slope = gradient(params, problem, maps)
    curve = curvature(params, problem, maps)
    return {
        "cmb": cmb,
        "cmb_variance": jnp.sum(jnp.var(cmb, axis=-1)),
        "nll": nll(params, problem, maps),
        "gradient_norm": _reduce(
            jnp.maximum,
            lambda p: jnp.max(_scaled_slope(params[p], slope[p], curve[p], low[p], high[p])),
        ),
        "inside": _reduce(
            jnp.logical_and,
            lambda p: jnp.all((params[p] >= low[p]) & (params[p] <= high[p])),
        ),
    }


def _reduce(combine: Callable[[Array, Array], Array], value: Callable[[str], Array]) -> Array:
    first, *rest = (value(p) for p in PARAMETERS)
    for other in rest:
        first = combine(first, other)
    return first


def _scaled_slope(value: Array, slope: Array, curve: Array, low: Array, high: Array) -> Array:
    blocked = ((value <= low) & (slope > 0)) | ((value >= high) & (slope < 0))
    # a parameter that the data do not constrain has the width of its box for a deviation
    scale = jnp.sqrt(jnp.maximum(jnp.abs(curve), (high - low) ** -2.0))
    return jnp.where(blocked, 0.0, jnp.abs(slope) / scale)
