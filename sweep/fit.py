"""Fit a block of realisations and describe where each fit ended."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.lanes import over_realisations
from sweep.problem import (
    NLL_TO_COVARIANCE,
    Observation,
    Prior,
    SpectralProblem,
    chi_square,
    components,
    expand,
    held_by_box,
    observe_block,
    penalty,
)
from sweep.problem.plausible import Cluster, is_suspect
from sweep.problem.prior import curvature
from sweep.problem.reference import furax_nll
from sweep.solvers import Bounds, Objective, Solution, Solver
from sweep.solvers.base import BlockMaps, Fit, repeated, target
from sweep.types import PARAMETERS, Params, Status

OBJECTIVES: dict[str, Objective] = {"direct": chi_square, "furax": furax_nll}

SAME = 1e-3
"""Two ends of a fit are the same minimum where nll and penalty differ by less."""


class BlockResult(NamedTuple):
    """One entry a realisation, shapes (realisation, ...), numpy.

    Attributes:
        status: int8, `sweep.types.Status`.
        cmb: recovered CMB, uK_CMB, shape (realisation, stokes, pixel).
        cmb_variance: var Q + var U of `cmb` over the kept pixels, uK_CMB^2.
        nll: -S, furax's convention; without the priors.
        penalty: what the priors add to it.
        iterations, evaluations: of the solver, over all starts.
        scan_certified: 1 where no cluster alone can go lower, 0 where one can, -1 not scanned.
        jumps: clusters that a scan brought to a lower minimum.
        starts_elsewhere: starts that ended higher than the lowest by more than `SAME`; -1 where
            there was one start.
        starts_rise: how much higher the highest of them ended, in units of nll; NaN likewise.
        suspect: bit i where `PARAMETERS[i]` is implausible or stuck, see `sweep.problem.plausible`.
        at_bound: share of the kept pixels with a cluster at an end of its box.
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
    penalty: np.ndarray
    iterations: np.ndarray
    evaluations: np.ndarray
    scan_certified: np.ndarray
    jumps: np.ndarray
    starts_elsewhere: np.ndarray
    starts_rise: np.ndarray
    suspect: np.ndarray
    at_bound: np.ndarray
    unconstrained: np.ndarray
    gradient_norm: np.ndarray
    seconds: np.ndarray
    params: dict[str, np.ndarray]


def fit_block(
    solver: Solver,
    objective: Objective,
    problem: SpectralProblem,
    maps: BlockMaps,
    bounds: Bounds,
    further: Sequence[Params] = (),
) -> BlockResult:
    """Fit every realisation of `maps`, shape (realisation, frequency, stokes, pixel), uK_CMB.

    Cluster axes of `bounds` may be longer than the number of clusters; what pads them is cut off.

    Nothing here raises for a bad realisation: its status says what happened, and the others of
    the block are what they would have been without it.

    Args:
        solver: the minimiser.
        objective: the likelihood.
        problem: what it is of.
        maps: the realisations.
        bounds: start, box and priors.
        further: other starts to fit again from, shape (realisation, cluster) each; the lowest end
            of a realisation is kept.
    """
    block = jax.block_until_ready(observe_block(problem, maps))  # it is not the solver's time
    prepare = solver.prepare if bounds.start else _nothing_to_fit
    solve = prepare(objective, problem, block, bounds)
    start = time.perf_counter()
    solutions = [solve(begin) for begin in (repeated(bounds.start, len(maps)), *further)]
    seconds = (time.perf_counter() - start) / len(maps)

    counts = problem.counts
    # axes of the tables, which like counts share, so that they share the program too
    lengths = dict(zip(PARAMETERS, problem.cells.lengths, strict=True))
    box = _resized_bounds(bounds, lengths)
    solution, rise = solutions[0], np.full((1, len(maps)), np.nan)
    if len(solutions) > 1:
        values = [_values(_resized(s.params, lengths), problem, block, box) for s in solutions]
        solution, rise = _lowest(solutions, np.array(values))
    described = _describe(_resized(solution.params, lengths), counts, problem, block, box)
    end = {name: np.asarray(value) for name, value in described.items()}
    status = np.asarray(solution.status, np.int8).copy()
    status[~end.pop("inside")] = Status.OUTSIDE_BOX
    status[~(np.isfinite(end["nll"]) & np.isfinite(end["cmb_variance"]))] = Status.NONFINITE
    elsewhere = np.sum(~(rise <= SAME), axis=0) if len(solutions) > 1 else -1
    return BlockResult(
        status=status,
        iterations=np.sum([s.iterations for s in solutions], axis=0),
        evaluations=np.sum([s.evaluations for s in solutions], axis=0),
        scan_certified=np.broadcast_to(np.int8(solution.certified), status.shape),
        jumps=np.broadcast_to(np.int32(solution.jumps), status.shape),
        starts_elsewhere=np.broadcast_to(np.int32(elsewhere), status.shape),
        starts_rise=rise.max(axis=0),
        seconds=np.full(len(maps), seconds),
        params={
            p: np.asarray(values)[:, : counts[p]]
            for p, values in {**solution.params, **repeated(bounds.fixed, len(maps))}.items()
        },
        **end,
    )


def _nothing_to_fit(
    objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
) -> Fit:
    """Stands in for a solver where every parameter is fixed."""
    del objective, problem, bounds
    none = jnp.zeros(len(block.maps), jnp.int32)
    return lambda starts: Solution(starts, none + Status.CONVERGED, none, none)


def _lowest(
    solutions: Sequence[Solution], values: Float[np.ndarray, "start realisation"]
) -> tuple[Solution, np.ndarray]:
    """Of every realisation the solution of lowest value, and how far above it the others are."""
    values = np.where(np.isfinite(values), values, np.inf)
    best = np.argmin(values, axis=0)
    number = np.arange(best.size)

    def of_best(*leaves: Any) -> np.ndarray:
        each = [np.broadcast_to(leaf, (best.size, *np.shape(leaf)[1:])) for leaf in leaves]
        return np.stack(each)[best, number]

    least = values[best, number]
    with np.errstate(invalid="ignore"):  # where every start was lost
        return jax.tree.map(of_best, *solutions), values - least


def joined(parts: Sequence[BlockResult]) -> BlockResult:
    """One result of the realisations of several, in their order."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _resized(values: Params, lengths: Mapping[Any, int], fill: float | None = None) -> Params:
    """With cluster axes of these lengths: cut off is padding, filled up with the last value."""

    def one(value: Any, length: int) -> Any:
        value = np.asarray(value)[..., :length]
        ends = [(0, 0)] * (value.ndim - 1) + [(0, length - value.shape[-1])]
        if fill is None:
            return np.pad(value, ends, mode="edge")
        return np.pad(value, ends, constant_values=fill)

    return {p: one(value, lengths[p]) for p, value in values.items()}


def _resized_bounds(bounds: Bounds, lengths: Mapping[Any, int]) -> Bounds:
    prior = bounds.prior
    if prior is not None:  # what pads has none
        prior = Prior(_resized(prior.mean, lengths), _resized(prior.precision, lengths, fill=0.0))
    start, low, high, fixed = (_resized(part, lengths) for part in bounds[:4])
    return Bounds(start, low, high, fixed, prior)


@jax.jit
def _values(params: Params, problem: SpectralProblem, block: Observation, bounds: Bounds) -> Array:
    """chi_square and penalty of every realisation."""

    def one(given: tuple[Params, Observation]) -> Array:
        return target(chi_square, given[0], problem, given[1], bounds)

    return over_realisations(one)((params, block))


@jax.jit
def _describe(
    params: Params,
    counts: dict[str, int],
    problem: SpectralProblem,
    block: Observation,
    bounds: Bounds,
) -> dict[str, Array]:
    """What is stored of a solution; beyond `counts` its axes are padded."""
    free = [p for p in PARAMETERS if p in params]
    own = {p: jnp.arange(params[p].shape[1]) < counts[p] for p in free}
    none = jnp.zeros(1)

    def one(given: tuple[Params, Observation]) -> dict[str, Array]:
        x, seen = given
        whole = bounds.whole(x)
        cmb = components(whole, problem, seen.maps)[0]
        value, slope, curve = expand(whole, problem, seen)
        of_prior = jax.grad(lambda at: penalty(bounds.prior, at))(x)
        clusters = {
            p: Cluster(
                x[p],
                slope[p] + of_prior[p],
                curve[p] + curvature(bounds.prior, p),
                bounds.low[p],
                bounds.high[p],
            )
            for p in free
        }
        at_end = [
            ((c.value <= c.low) | (c.value >= c.high))[problem.labels[p]]
            for p, c in clusters.items()
        ]
        inside = [(c.value >= c.low) & (c.value <= c.high) | ~own[p] for p, c in clusters.items()]
        least = {p: NLL_TO_COVARIANCE / (c.high - c.low) ** 2 for p, c in clusters.items()}
        loose = [~(curve[p] > least[p]) & own[p] for p in free]
        norms = [_norm(c) for c in clusters.values()]
        odd = [
            is_suspect(p, c, problem.labels[p]) << PARAMETERS.index(p) for p, c in clusters.items()
        ]
        return {
            "cmb": cmb,
            "cmb_variance": jnp.sum(jnp.var(cmb, axis=-1)),
            "nll": value - seen.rows.total,
            "penalty": penalty(bounds.prior, x),
            "gradient_norm": jnp.max(jnp.concatenate([none, *norms])),
            "unconstrained": jnp.sum(jnp.concatenate([none, *loose])),
            "suspect": jnp.sum(jnp.array([0, *odd], jnp.int8), dtype=jnp.int8),
            "at_bound": jnp.mean(
                jnp.any(jnp.stack([jnp.zeros(problem.n_pixels, bool), *at_end]), axis=0)
            ),
            "inside": jnp.all(jnp.concatenate([none == 0, *inside])),
        }

    return over_realisations(one)((params, block))


def _norm(at: Cluster) -> Array:
    """Largest slope of any free cluster, in roots of its own curvature, shape (1,)."""
    held = held_by_box(at.value, at.slope, at.low, at.high)
    # a parameter that the data do not constrain has the width of its box for a deviation
    scale = jnp.sqrt(jnp.maximum(jnp.abs(at.curvature), (at.high - at.low) ** -2.0))
    return jnp.max(jnp.where(held, 0.0, jnp.abs(at.slope) / scale), keepdims=True)
