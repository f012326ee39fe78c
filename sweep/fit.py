"""Fit a block of realisations and describe where each fit ended."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sweep.lanes import over_realisations
from sweep.problem import (
    NLL_TO_COVARIANCE,
    Observation,
    SpectralProblem,
    chi_square,
    components,
    expand,
    held_by_box,
    observe_block,
)
from sweep.problem.reference import furax_nll
from sweep.solvers import Bounds, Objective, Solver
from sweep.solvers.base import BlockMaps
from sweep.types import PARAMETERS, Parameter, Params, Status

OBJECTIVES: dict[str, Objective] = {"direct": chi_square, "furax": furax_nll}


class BlockResult(NamedTuple):
    """One entry a realisation, shapes (realisation, ...), numpy.

    Attributes:
        status: int8, `sweep.types.Status`.
        cmb: recovered CMB, uK_CMB, shape (realisation, stokes, pixel).
        cmb_variance: var Q + var U of `cmb` over the kept pixels, uK_CMB^2.
        nll: -S, furax's convention.
        iterations, evaluations: of the solver.
        scan_certified: 1 where no cluster alone can go lower, 0 where one can, -1 not scanned.
        jumps: clusters that a search brought to a lower minimum.
        unconstrained: clusters whose parameter, the others held, has a standard deviation of the
            width of its box or more.
        gradient_norm: largest slope of a free parameter in units of the square root of its own
            curvature, that is root 2 times the distance to the minimum along it in its standard
            deviations.
        seconds: wall time of the solver for the block, shared equally, without compilation.
        params: spectral parameters, shape (realisation, cluster).
    """

    status: np.ndarray
    cmb: np.ndarray
    cmb_variance: np.ndarray
    nll: np.ndarray
    iterations: np.ndarray
    evaluations: np.ndarray
    scan_certified: np.ndarray
    jumps: np.ndarray
    unconstrained: np.ndarray
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
    block = jax.block_until_ready(observe_block(problem, maps))  # it is not the solver's time
    solve = solver.prepare(objective, problem, block, bounds)
    start = time.perf_counter()
    solution = solve()
    seconds = (time.perf_counter() - start) / len(maps)

    counts = problem.counts
    # axes of the tables, which like counts share, so that they share the program too
    lengths = dict(zip(PARAMETERS, problem.cells.lengths, strict=True))
    params = _resized(solution.params, lengths)
    bounds = Bounds(*(_resized(part, lengths) for part in bounds))
    described = _describe(params, counts, problem, block, bounds)
    end = {name: np.asarray(value) for name, value in described.items()}
    status = np.asarray(solution.status, np.int8).copy()
    status[~end.pop("inside")] = Status.OUTSIDE_BOX
    status[~(np.isfinite(end["nll"]) & np.isfinite(end["cmb_variance"]))] = Status.NONFINITE
    return BlockResult(
        status=status,
        iterations=np.asarray(solution.iterations),
        evaluations=np.asarray(solution.evaluations),
        scan_certified=np.broadcast_to(np.int8(solution.certified), status.shape),
        jumps=np.broadcast_to(np.int32(solution.jumps), status.shape),
        seconds=np.full(len(maps), seconds),
        params={p: np.asarray(solution.params[p])[:, : counts[p]] for p in PARAMETERS},
        **end,
    )


def joined(parts: Sequence[BlockResult]) -> BlockResult:
    """One result of the realisations of several, in their order."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _resized(values: Params, lengths: dict[Parameter, int]) -> Params:
    """With cluster axes of these lengths: cut off is padding, filled up with the last value."""

    def one(value: Any, length: int) -> Any:
        value = np.asarray(value)[..., :length]
        ends = [(0, 0)] * (value.ndim - 1) + [(0, length - value.shape[-1])]
        return np.pad(value, ends, mode="edge")

    return {p: one(values[p], lengths[p]) for p in PARAMETERS}


@jax.jit
def _describe(
    params: Params,
    counts: dict[str, int],
    problem: SpectralProblem,
    block: Observation,
    bounds: Bounds,
) -> dict[str, Array]:
    """What is stored of a solution; beyond `counts` its axes are padded."""
    own = {p: jnp.arange(v.shape[1]) < counts[p] for p, v in params.items()}
    low, high = bounds.low, bounds.high

    def one(given: tuple[Params, Observation]) -> dict[str, Array]:
        x, seen = given
        cmb = components(x, problem, seen.maps)[0]
        value, slope, curve = expand(x, problem, seen)
        width = {p: high[p] - low[p] for p in PARAMETERS}
        norms = [_norm(x[p], slope[p], curve[p], low[p], high[p]) for p in PARAMETERS]
        inside = [jnp.all((x[p] >= low[p]) & (x[p] <= high[p]) | ~own[p]) for p in PARAMETERS]
        least = {p: NLL_TO_COVARIANCE / width[p] ** 2 for p in PARAMETERS}
        loose = [jnp.sum(~(curve[p] > least[p]) & own[p]) for p in PARAMETERS]
        return {
            "cmb": cmb,
            "cmb_variance": jnp.sum(jnp.var(cmb, axis=-1)),
            "nll": value - seen.rows.total,
            "gradient_norm": jnp.max(jnp.stack(norms)),
            "unconstrained": jnp.sum(jnp.stack(loose)),
            "inside": jnp.all(jnp.stack(inside)),
        }

    return over_realisations(one)((params, block))


def _norm(value: Array, slope: Array, curve: Array, low: Array, high: Array) -> Array:
    held = held_by_box(value, slope, low, high)
    # a parameter that the data do not constrain has the width of its box for a deviation
    scale = jnp.sqrt(jnp.maximum(jnp.abs(curve), (high - low) ** -2.0))
    return jnp.max(jnp.where(held, 0.0, jnp.abs(slope) / scale))
