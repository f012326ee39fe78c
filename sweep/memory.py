"""How many realisations fit in memory, and pay, when fitted together."""

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
    shape = (problem.frequency.shape[0], 2, problem.n_pixels)
    maps = jax.ShapeDtypeStruct(shape, problem.inverse_sigma.dtype)
    compiled = jax.jit(jax.value_and_grad(objective)).lower(bounds.start, problem, maps).compile()
    analysis = compiled.memory_analysis()
    size = maps.size * jnp.dtype(maps.dtype).itemsize
    return size + (analysis.temp_size_in_bytes if analysis is not None else 4 * size)
