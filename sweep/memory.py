"""How many realisations fit in memory, and pay, when fitted together."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import psutil

from sweep.lanes import side_by_side
from sweep.problem import Observation, SpectralProblem, observe
from sweep.solvers.base import Bounds, Objective, Solver

SHARE = 0.5
"""Share of the free memory that blocks may take."""

LINE_SEARCH = 2.0
"""A solver keeps about this many times the memory of one value and gradient with its data."""

Part = TypeVar("Part")


def auto_block(
    solver: Solver,
    objective: Objective,
    problem: SpectralProblem,
    bounds: Bounds,
    realisations: int,
    workers: int,
) -> int:
    """Realisations a block: as many as there is memory for, by `block_bytes`."""
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        free, most = stats["bytes_limit"], realisations
    else:
        free = psutil.virtual_memory().available // workers
        most = min(realisations, solver.cpu_block)
    needs = block_bytes(solver, objective, problem, bounds)
    fitting = (count for count in range(most, 1, -1) if needs(count) <= SHARE * free)
    return next(fitting, 1)


def block_bytes(
    solver: Solver, objective: Objective, problem: SpectralProblem, bounds: Bounds
) -> Callable[[int], float]:
    """Peak memory of a block of so many realisations: of its data and what works on them.

    That is evaluations, of one realisation at a time or side by side, or the solver's lanes.
    """
    leaves, structure = jax.tree.flatten((bounds.whole(bounds.start), problem))
    shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
    seen = _observed(problem, problem.n_pixels)
    data = _size(seen)
    evaluation = LINE_SEARCH * _compiled_bytes(objective, structure, shapes, problem.n_pixels)
    lane = solver.lane_bytes(problem, seen.rows, bounds)

    def needed(count: int) -> float:
        evaluated = count if side_by_side() else 1
        working = max(evaluated * evaluation, solver.lanes(count) * lane)
        return LINE_SEARCH * count * data + working

    return needed


def _observed(problem: SpectralProblem, n_pixels: int) -> Observation:
    """Shapes of what a solver sees of a realisation."""
    dtype = problem.inverse_sigma.dtype
    maps = jax.ShapeDtypeStruct((problem.frequency.shape[0], 2, n_pixels), dtype)
    return jax.eval_shape(observe, problem, maps)


def _size(shapes: Observation) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


@lru_cache(maxsize=64)
def _compiled_bytes(
    objective: Objective, structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...], n_pixels: int
) -> int:
    """Working memory of one value and gradient of the objective, as compiled."""
    start, problem = jax.tree.unflatten(structure, shapes)
    seen = _observed(problem, n_pixels)
    compiled = jax.jit(jax.value_and_grad(objective)).lower(start, problem, seen).compile()
    analysis = compiled.memory_analysis()
    return analysis.temp_size_in_bytes if analysis is not None else 4 * _size(seen)


def halving(compute: Callable[[tuple[int, ...]], Part], items: Sequence[int]) -> list[Part]:
    """Compute `items` together, or where that takes more memory than there is, in halves.

    Raises:
        MemoryError: a single item does not fit.
    """
    items = tuple(items)
    try:
        return [compute(items)]
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(items) == 1:
            raise MemoryError("one realisation alone does not fit in memory") from error
    # outside of the handler, whose traceback would keep the arrays that did not fit
    middle = len(items) // 2
    return halving(compute, items[:middle]) + halving(compute, items[middle:])


def _out_of_memory(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "out of memory" in text
