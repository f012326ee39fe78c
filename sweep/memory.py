"""How many realisations fit in memory, and pay, when fitted together."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import psutil

from sweep.problem import SpectralProblem
from sweep.solvers.base import Bounds, Objective

CPU_BLOCK = 4
"""Cap on a CPU: lanes of a block wait for the slowest, and gain nothing in arithmetic."""

SHARE = 0.5
"""Share of the free memory that blocks may take."""

LINE_SEARCH = 2.0
"""A solver keeps about this many times the memory of one value and gradient."""


def auto_block(
    objective: Objective, problem: SpectralProblem, bounds: Bounds, realisations: int, workers: int
) -> int:
    """Realisations a block, from the memory that the compiled objective takes for one."""
    each = LINE_SEARCH * bytes_per_realisation(objective, problem, bounds)
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats:
        free = stats["bytes_limit"]
        cap = realisations
    else:
        free = psutil.virtual_memory().available // workers
        cap = CPU_BLOCK
    return max(1, min(realisations, cap, int(SHARE * free / each)))


def bytes_per_realisation(objective: Objective, problem: SpectralProblem, bounds: Bounds) -> int:
    """Peak memory of one value and gradient of the objective with its maps, as compiled."""
    leaves, structure = jax.tree.flatten((bounds.start, problem))
    shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
    return _compiled_bytes(objective, structure, shapes, problem.n_pixels)


@lru_cache(maxsize=64)
def _compiled_bytes(
    objective: Objective, structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...], n_pixels: int
) -> int:
    start, problem = jax.tree.unflatten(structure, shapes)
    dtype = problem.inverse_sigma.dtype
    maps = jax.ShapeDtypeStruct((problem.frequency.shape[0], 2, n_pixels), dtype)
    compiled = jax.jit(jax.value_and_grad(objective)).lower(start, problem, maps).compile()
    analysis = compiled.memory_analysis()
    size = maps.size * jnp.dtype(dtype).itemsize
    return size + (analysis.temp_size_in_bytes if analysis is not None else 4 * size)
