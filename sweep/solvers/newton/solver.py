"""Newton's method that knows the structure of the likelihood; see docs/solvers.md."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.lanes import side_by_side
from sweep.problem import Observation, SpectralProblem
from sweep.problem.cells import Rows
from sweep.problem.prior import Penalty
from sweep.problem.sed import Spectral, coordinates
from sweep.programs import keeping_programs
from sweep.solvers.base import Bounds, Fit, Objective, Solution, Solver
from sweep.solvers.newton.lane import Settings
from sweep.solvers.newton.pool import Ended, Work, fit_pool
from sweep.solvers.newton.system import Box
from sweep.types import PARAMETERS, Params, Status

_MANY = 64
"""From this many realisations on, a pool has a quarter as many lanes."""

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
            parameter's own curvature.
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
        _, box = internal_box(bounds, problem.cells.lengths[0])
        run = self.pools(problem, block.rows, bounds)

        def solve(starts: Params) -> Solution:
            ended, _ = zip(*run(starts), strict=True)
            return self._solution(jax.tree.map(lambda *x: np.concatenate(x), *ended), bounds, box)

        return solve

    def pools(
        self, problem: SpectralProblem, rows: Rows, bounds: Bounds
    ) -> Callable[[Params], list[tuple[Ended, Work]]]:
        """Compile; the call fits all realisations of `rows` from starts of theirs.

        It says how they ended, and at what cost. Side by side they are one pool, one after another
        a pool each.
        """
        count = len(rows.total)
        parts = [range(count)] if side_by_side() else [range(i, i + 1) for i in range(count)]
        arguments = self._arguments(problem, _taken(rows, parts[0]), bounds)
        program = self._program(arguments)
        bare, _, _, box, settings = arguments

        def run(starts: Params) -> list[tuple[Ended, Work]]:
            inner = _internal_starts(bounds, starts, box)
            return [
                jax.block_until_ready(
                    program(bare, _taken(rows, part), inner[_slice(part)], box, settings)
                )
                for part in parts
            ]

        return run

    def compiled(self, problem: SpectralProblem, rows: Rows, bounds: Bounds) -> jax.stages.Compiled:
        """The program of one pool for all of `rows`, of which shapes are enough."""
        return self._program(self._arguments(problem, rows, bounds))

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

    def _arguments(self, problem: SpectralProblem, rows: Rows, bounds: Bounds) -> tuple:
        cells = problem.cells
        start, box = internal_box(bounds, cells.lengths[0])
        starts = jax.ShapeDtypeStruct((rows.total.shape[0], *start.shape), start.dtype)
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
        return bare, rows, starts, box, settings

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
    start, low, high = (
        _internal(bounds.whole(part), length) for part in (bounds.start, bounds.low, bounds.high)
    )
    low, high = np.minimum(low, high), np.maximum(low, high)
    return jnp.asarray(start), Box(jnp.asarray(low), jnp.asarray(high), _penalty(bounds, length))


def _internal(params: Params, length: int) -> np.ndarray:
    return np.asarray(coordinates(jax.tree.map(np.asarray, params), length, np))


def _penalty(bounds: Bounds, length: int) -> Penalty | None:
    if bounds.prior is None:
        return None

    def stacked(values: Params) -> Array:
        rows = np.zeros((len(PARAMETERS), length))
        for i, p in enumerate(PARAMETERS):
            own = np.asarray(values.get(p, np.zeros(0)))[:length]
            rows[i, : own.size] = own
        return jnp.asarray(rows)

    return Penalty(*map(stacked, bounds.prior))


def _internal_starts(
    bounds: Bounds, starts: Params, box: Box
) -> Float[Array, "realisation parameter cluster"]:
    """Starts in internal coordinates, exactly inside the box."""
    count, length = len(next(iter(starts.values()))), box.low.shape[1]
    inner = [
        _internal(bounds.whole({p: v[i] for p, v in starts.items()}), length) for i in range(count)
    ]
    return jnp.asarray(np.clip(np.stack(inner), box.low, box.high))


def _parameters(x: Array, bounds: Bounds, box: Box) -> Params:
    """Parameters as users know them, exactly at the ends of their box where they are held."""
    low, high = np.asarray(box.low), np.asarray(box.high)
    beta_dust, coldness, beta_pl = np.moveaxis(np.asarray(x), 1, 0)
    counts = {p: v.shape[0] for p, v in bounds.whole(bounds.start).items()}
    lowest, highest = bounds.whole(bounds.low), bounds.whole(bounds.high)
    warm, cold = coldness <= low[1], coldness >= high[1]
    n = min(counts["temp_dust"], x.shape[2])  # axes padded beyond the rows have no clusters there
    temperature = np.where(
        warm[:, :n],
        highest["temp_dust"][:n],
        np.where(cold[:, :n], lowest["temp_dust"][:n], 1.0 / coldness[:, :n]),
    )
    params: dict[str, Any] = {
        "beta_dust": beta_dust[:, : counts["beta_dust"]],
        "temp_dust": temperature,
        "beta_pl": beta_pl[:, : counts["beta_pl"]],
    }
    return {p: params[p] for p in bounds.start}


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
