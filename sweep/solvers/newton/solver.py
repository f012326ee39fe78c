"""Newton's method that knows the structure of the likelihood; see docs/solvers.md."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.lanes import side_by_side
from sweep.model import SkyModel
from sweep.problem import Observation, SpectralProblem
from sweep.problem.cells import Rows
from sweep.problem.weights import PixelWeights
from sweep.programs import keeping_programs
from sweep.solvers.base import Bounds, Fit, Objective, Solution, Solver
from sweep.solvers.newton.box import Box, internal_box, internal_starts, own_parameters
from sweep.solvers.newton.lane import Settings
from sweep.solvers.newton.pool import Ended, Work, fit_pool
from sweep.types import BlockParams, Status

_MANY = 64
"""From this many realisations on, a pool has a quarter as many lanes."""

ROUNDED = 1e-3
"""Free gradient at which a descent that rounding ended has converged as well, in units of the root
of the curvature: sums over a million pixels leave 2e-6, over eight million 2e-4."""

_SEVERAL = 4
"""Lanes of the program whose memory tells what a lane takes: fewer are compiled to take less."""

_LANE = 16
"""Memory of a lane over that of its rows, where the compiler does not tell: cells take 12."""


@dataclass(frozen=True)
class NewtonSolver(Solver):
    """Newton steps in the box, then a scan of every cluster for lower minima.

    Attributes:
        search: version of the search, part of an experiment's identity: other constants may end in
            other minima.
        tolerance: converged when every free gradient is below it, in units of the root of the
            parameter's own curvature; or below `ROUNDED` where rounding ended the descent.
        nodes: of the scan of a cluster over its box.
        max_scans: cap on the scans of a realisation.
    """

    search: int
    tolerance: float
    nodes: int
    max_scans: int

    @property
    def cpu_block(self) -> int:
        """See `Solver.cpu_block`: a fit takes a fraction of a second."""
        return 32

    def prepare(
        self, objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
    ) -> Fit:
        """See `Solver.prepare`. `objective` must be the closed form, whose derivatives it knows."""
        box = internal_box(bounds, problem)
        run = self.pools(problem, block.rows, box)

        def solve(starts: BlockParams) -> Solution:
            ended, _ = run(internal_starts(bounds, starts, problem.model, box))
            return self._solution(ended, bounds, problem.model, box)

        return solve

    def pools(
        self, problem: SpectralProblem, rows: Rows, box: Box
    ) -> Callable[[Float[Array, "realisation parameter cluster"]], tuple[Ended, Work]]:
        """Compile; the call fits all realisations of `rows` from starts of theirs.

        It says how they ended, and at what cost. Side by side they are one pool, one after another
        a pool each.
        """
        count = len(rows.total)
        parts = [range(count)] if side_by_side() else [range(i, i + 1) for i in range(count)]
        arguments = self._arguments(problem, _taken(rows, parts[0]), box)
        program = self._program(arguments)
        bare, *_, settings = arguments

        def run(starts: Float[Array, "realisation parameter cluster"]) -> tuple[Ended, Work]:
            pools = [
                jax.block_until_ready(
                    program(bare, _taken(rows, part), starts[_slice(part)], box, settings)
                )
                for part in parts
            ]
            ended, work = zip(*pools, strict=True)
            together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *ended)
            return together, jax.tree.map(lambda *counts: sum(map(int, counts)), *work)

        return run

    def compiled(self, problem: SpectralProblem, rows: Rows, bounds: Bounds) -> jax.stages.Compiled:
        """The program of one pool for all of `rows`, of which shapes are enough."""
        box = internal_box(bounds, problem)
        return self._program(self._arguments(problem, rows, box))

    def _program(self, arguments: tuple) -> jax.stages.Compiled:
        _, rows, *_ = arguments
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        return _compile(self.lanes(rows.total.shape[0]), structure, shapes)

    def lanes(self, count: int) -> int:
        """See `Solver.lanes`: few enough of many that a straggler keeps few waiting."""
        return super().lanes(count if count < _MANY else -(-count // 4))

    def lane_bytes(self, problem: SpectralProblem, rows: Rows, bounds: Bounds) -> int:
        """See `Solver.lane_bytes`; a share of what the program of several takes, as compiled.

        A single lane, as on a CPU, is left to `memory.py`: it takes less than a block of maps.
        """
        if not side_by_side():
            return 0
        several = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((_SEVERAL, *leaf.shape), leaf.dtype), rows
        )
        analysis = self.compiled(problem, several, bounds).memory_analysis()
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(rows))
        return analysis.temp_size_in_bytes // _SEVERAL if analysis is not None else _LANE * size

    def _arguments(self, problem: SpectralProblem, rows: Rows, box: Box) -> tuple:
        cells = problem.cells
        starts = jax.ShapeDtypeStruct((rows.total.shape[0], *box.low.shape), box.low.dtype)
        # pixels are of no interest here: without them, problems of other masks share the program
        weights = problem.weights
        bare = replace(
            problem,
            labels={},
            cells=replace(cells, row=cells.row[:0]),
            weights=None if weights is None else PixelWeights(None, weights.bands, None),
        )
        settings = Settings(self.max_steps, self.tolerance, self.max_scans, self.nodes)
        return bare, rows, starts, box, settings

    def _solution(self, ended: Ended, bounds: Bounds, model: SkyModel, box: Box) -> Solution:
        enough = max(self.tolerance, ROUNDED)  # what ended above its tolerance ended by rounding
        converged = (ended.status == Status.STALLED) & (ended.norm < enough)
        return Solution(
            params=own_parameters(ended.x, bounds, model, box),
            status=np.where(converged, Status.CONVERGED, ended.status),  # pyright: ignore
            iterations=ended.steps,
            evaluations=ended.evaluations,
            certified=ended.certified,
            jumps=ended.jumps,
        )


def _taken(rows: Rows, part: range) -> Rows:
    """Some of the realisations; a copy, unless it is all of them."""
    if len(part) == len(rows.total):
        return rows
    return jax.tree.map(lambda leaf: leaf[_slice(part)], rows)


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


@keeping_programs
def _compile(
    width: int, structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...]
) -> jax.stages.Compiled:
    def program(
        problem: SpectralProblem, rows: Rows, starts: Array, box: Box, settings: Settings
    ) -> tuple[Ended, Work]:
        return fit_pool(problem, rows, starts, box, settings, width)

    return jax.jit(program).lower(*jax.tree.unflatten(structure, shapes)).compile()
