"""Newton's method that knows the structure of the likelihood; see docs/solvers.md."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sweep.lanes import side_by_side
from sweep.problem import Observation, SpectralProblem
from sweep.problem.cells import Rows
from sweep.problem.sed import Spectral, coordinates
from sweep.solvers.base import Bounds, Objective, Solution, Solver
from sweep.solvers.newton.lane import Settings
from sweep.solvers.newton.pool import Ended, fit_pool
from sweep.solvers.newton.system import Box
from sweep.types import Params, Status


@dataclass(frozen=True)
class NewtonSolver(Solver):
    """Newton steps in the box, then a search of lower minima, cluster by cluster.

    Attributes:
        tolerance: converged when every free gradient is below it, in units of the root of the
            parameter's own curvature.
        nodes: of the scan of a cluster over its box.
        max_scans: cap on the scans of a realisation.
    """

    tolerance: float
    nodes: int
    max_scans: int

    @property
    def cpu_block(self) -> int:
        """See `Solver.cpu_block`: a fit takes a fraction of a second."""
        return 32

    def prepare(
        self, objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
    ) -> Callable[[], Solution]:
        """See `Solver.prepare`. `objective` must be the closed form, whose derivatives it knows."""
        cells = problem.cells
        start, box = internal_box(bounds, cells.lengths[0])
        # pixels are of no interest here: without them, problems of other masks share the program
        bare = SpectralProblem(
            problem.frequency,
            problem.inverse_sigma,
            {},
            replace(cells, row=cells.row[:0]),
            problem.dust_nu0,
            problem.synchrotron_nu0,
        )
        settings = Settings(self.max_steps, self.tolerance, self.max_scans, self.nodes)
        blocks = [block.rows] if side_by_side() else _singles(block.rows)
        arguments = [(bare, rows, start, box, settings) for rows in blocks]
        leaves, structure = jax.tree.flatten(arguments[0])
        shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        program = _compile(structure, shapes)

        def solve() -> Solution:
            ended = [program(*one) for one in arguments]
            return self._solution(jax.tree.map(lambda *x: np.concatenate(x), *ended), bounds, box)

        return solve

    def _solution(self, ended: Ended, bounds: Bounds, box: Box) -> Solution:
        converged = (ended.status == Status.STALLED) & (ended.norm < self.tolerance)
        return Solution(
            params=_parameters(ended.x, bounds, box),
            status=np.where(converged, Status.CONVERGED, ended.status),  # pyright: ignore
            iterations=ended.steps,
            evaluations=ended.evaluations,
            certified=ended.certified,
            jumps=ended.jumps,
        )


def internal_box(bounds: Bounds, length: int) -> tuple[Spectral, Box]:
    """Start and box in internal coordinates, where the warm end of the temperature is the low."""
    start, low, high = (coordinates(part, length) for part in bounds)
    return start, Box(jnp.minimum(low, high), jnp.maximum(low, high))


def _parameters(x: Array, bounds: Bounds, box: Box) -> Params:
    """Parameters as users know them, exactly at the ends of their box where they are held."""
    low, high = np.asarray(box.low), np.asarray(box.high)
    beta_dust, coldness, beta_pl = np.moveaxis(np.asarray(x), 1, 0)
    counts = {p: v.shape[0] for p, v in bounds.start.items()}
    warm, cold = coldness <= low[1], coldness >= high[1]
    n = min(counts["temp_dust"], x.shape[2])  # axes padded beyond the rows have no clusters there
    temperature = np.where(
        warm[:, :n],
        bounds.high["temp_dust"][:n],
        np.where(cold[:, :n], bounds.low["temp_dust"][:n], 1.0 / coldness[:, :n]),
    )
    params: dict[str, Any] = {
        "beta_dust": beta_dust[:, : counts["beta_dust"]],
        "temp_dust": temperature,
        "beta_pl": beta_pl[:, : counts["beta_pl"]],
    }
    return params


def _singles(rows: Rows) -> list[Rows]:
    return [jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], rows) for i in range(len(rows.total))]


@lru_cache(maxsize=32)
def _compile(structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...]) -> jax.stages.Compiled:
    def program(
        problem: SpectralProblem, rows: Rows, start: Spectral, box: Box, settings: Settings
    ) -> Ended:
        return fit_pool(problem, rows, start, box, settings, _width(rows.total.shape[0]))

    return jax.jit(program).lower(*jax.tree.unflatten(structure, shapes)).compile()


def _width(count: int) -> int:
    """Lanes for so many realisations: few enough of many that a straggler keeps few waiting."""
    return count if count < 64 else -(-count // 4)
