"""Fit a block of realisations."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.ends import BlockResult, describe
from sweep.lanes import by_realisation, over_realisations
from sweep.problem import (
    Observation,
    Prior,
    SpectralProblem,
    chi_square,
    observe_block,
)
from sweep.solvers import Bounds, Objective, Solution, Solver
from sweep.solvers.base import BlockMaps, Fit, repeated, target
from sweep.types import BlockParams, Params, Status

SAME = 1e-3
"""Two ends of a fit are the same minimum where nll and penalty differ by less."""


def objective_of(likelihood: str) -> Objective:
    """What `fit.likelihood` calls direct or furax; furax is imported for its own alone."""
    if likelihood == "furax":
        from sweep.problem.reference import furax_nll

        return furax_nll
    return chi_square


def fit_block(
    solver: Solver,
    objective: Objective,
    problem: SpectralProblem,
    maps: BlockMaps,
    bounds: Bounds,
    further: Sequence[BlockParams] = (),
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
    lengths = dict(zip(problem.model.names, problem.cells.lengths, strict=True))
    box = _resized_bounds(bounds, lengths)
    solution, rise = solutions[0], np.full((1, len(maps)), np.nan)
    if len(solutions) > 1:

        def valued(params: BlockParams, block: Observation) -> Array:
            return _values(params, problem, block, box)

        ends = [_resized(s.params, lengths) for s in solutions]
        values = [by_realisation(valued, each, block) for each in ends]
        solution, rise = _lowest(solutions, np.array(values))
    end = describe(_resized(solution.params, lengths), counts, problem, block, box)
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


def _resized(
    values: BlockParams | Params, lengths: Mapping[Any, int], fill: float | None = None
) -> dict[str, np.ndarray]:
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
def _values(
    params: BlockParams, problem: SpectralProblem, block: Observation, bounds: Bounds
) -> Array:
    """chi_square and penalty of every realisation."""

    def one(given: tuple[Params, Observation]) -> Array:
        return target(chi_square, given[0], problem, given[1], bounds)

    return over_realisations(one)((params, block))
