"""One realisation on its way to its minimum, as a machine that evaluates once a tick.

descend    Newton steps from the start, or from a jump, until the gradient is small
             then a scan: jumps -> descend; none -> a hop, or the end
hop        Newton steps from where a hop went, the place it left in memory
             then its regions are judged: none lower -> the next hop
check      the lower regions of a hop with all else as before
             lower -> kept, and the next hop from there; else a few more steps of hop
             after the last hop: descend if any was kept, or the end

Every tick evaluates one point, whatever the lane is about, so that lanes under vmap share the
work; only scans and judgements (`judge.py`) are waited for. Islands of the sky take or refuse a
step each for itself, and rest once settled.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweep.problem.cells import Cells, Rows
from sweep.problem.derivatives import Derivatives, derivatives
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton.hop import HOPS, LIFTED, RESTARTED
from sweep.solvers.newton.scan import BETA_PL
from sweep.solvers.newton.system import (
    Box,
    System,
    assemble,
    by_island,
    gather,
    islands_of,
    newton_step,
)
from sweep.types import NOT_ATTEMPTED, Status

HOP_STEPS, FAR_STEPS = 6, 10
"""Of a hop to another valley; of those that go farther."""

HELD = 3
"""So many steps of a lift leave beta_pl where it was lifted, or it falls before dust follows."""

HOP_PROMISE = 0.02
"""A hop is judged when its last step lowered chi_square by less than this."""

_ROUNDING = 1e-16
"""Share of d^T d that differences of chi_square are lost in."""

_LOST_STEPS = 30
"""More steps below rounding than these end a descent. The gradient still falls in them, by a tenth
a step where a curvature is weak and another takes its place."""

_FIRST_DAMPING, _LEAST_RAISED = 1e-5, 1e-2
"""Of Levenberg and Marquardt, in units of the Gauss-Newton diagonal."""


class Phase(IntEnum):
    """What a lane is about; see the head of this file."""

    DESCEND = 0
    HOP = 1
    CHECK = 2
    DONE = 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Settings:
    """What `NewtonSolver` was told; only the number of nodes shapes the program."""

    max_steps: int
    tolerance: float
    max_scans: int
    nodes: int = field(metadata={"static": True})


class Base(NamedTuple):
    """Where hops start from and return to: a minimum, but for what they have kept."""

    x: Spectral
    at: Derivatives
    norm: Float[Array, " island"]
    settled: Bool[Array, " island"]


class Lane(NamedTuple):
    """The state of one realisation.

    Attributes:
        x, at: the lowest point of this descent, and the likelihood about it.
        system: the sums of `at` over clusters.
        trial: the point that is evaluated next.
        predicted: decrease that the step to `trial` promises; infinite where it must be taken,
            NaN where no trial has been chosen.
        settled: whether `x` is a minimum, or rounding ends the descent.
        damping: of the next step.
        last_gain: decrease of chi_square in the last step, infinite where it was not taken.
        lost: steps in a row whose decrease is below rounding. All five have shape (island,).
        phase: see `Phase`.
        steps, evaluations, scans, jumps: counts of the whole fit.
        certified: whether a scan found nothing lower than `x`; -1 before there was one.
        status: `Status`, once done.
        base: what is in memory while hopping.
        goals: where each hop takes beta_pl clusters; NaN stays.
        refused: goals that led nowhere lower, and would not now.
        improved: whether hops since the last scan have kept anything.
        moved, candidates: clusters that this hop moved, and those not yet rejected.
        hop_steps, attempts, hop: of this hop, and which it is.
    """

    x: Spectral
    at: Derivatives
    system: System
    trial: Spectral
    predicted: Float[Array, " island"]
    settled: Bool[Array, " island"]
    damping: Float[Array, " island"]
    last_gain: Float[Array, " island"]
    lost: Int[Array, " island"]
    phase: Int[Array, ""]
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    scans: Int[Array, ""]
    jumps: Int[Array, ""]
    certified: Int[Array, ""]
    status: Int[Array, ""]
    base: Base
    goals: Float[Array, "try cluster"]
    refused: Float[Array, "try cluster"]
    improved: Bool[Array, ""]
    moved: Bool[Array, " cluster"]
    candidates: Bool[Array, " cluster"]
    hop_steps: Int[Array, ""]
    attempts: Int[Array, ""]
    hop: Int[Array, ""]


def begin(start: Spectral, cells: Cells) -> Lane:
    """A lane that is about to evaluate the start."""
    n_rows = cells.flat_index.shape[1]
    length = start.shape[1]
    dtype = start.dtype
    count = jnp.int32(0)
    values, of_islands = jnp.zeros(n_rows, dtype), jnp.zeros(cells.islands, dtype)
    nobody = jnp.zeros(length, bool)
    flat = jnp.zeros_like(start)
    at = Derivatives(values, *(jnp.zeros((k, n_rows), dtype) for k in (3, 6, 6)))
    return Lane(
        x=jnp.full_like(start, jnp.nan),  # nowhere yet
        at=at,
        system=System(flat, flat, flat, flat, jnp.zeros(start.shape, bool), of_islands),
        trial=start,
        predicted=of_islands + jnp.inf,
        settled=jnp.zeros(cells.islands, bool),
        damping=of_islands + _FIRST_DAMPING,
        last_gain=of_islands,
        lost=jnp.zeros(cells.islands, jnp.int32),
        phase=jnp.int32(Phase.DESCEND),
        steps=count,
        evaluations=count,
        scans=count,
        jumps=count,
        certified=jnp.int32(NOT_ATTEMPTED),
        status=jnp.int32(Status.PENDING),
        base=Base(start, at, of_islands, jnp.zeros(cells.islands, bool)),
        goals=jnp.full((HOPS, length), jnp.nan, dtype),
        refused=jnp.full((HOPS, length), jnp.nan, dtype),
        improved=jnp.bool_(False),
        moved=nobody,
        candidates=nobody,
        hop_steps=count,
        attempts=count,
        hop=count,
    )


def evaluate(
    lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings
) -> Lane:
    """Evaluate the trial point, and take it where it is as good as promised, or must be taken.

    Islands whose trial is where they are keep what is known of them.
    """
    cells = problem.cells
    index, island_of_rows = cells.flat_index, cells.island_of_rows
    goes = jnp.any(gather(lane.trial, index) != gather(lane.x, index), axis=0)
    of_rows = islands_of(goes, cells)[island_of_rows]
    found = derivatives(problem, rows, lane.trial, of_rows)
    new = jax.tree.map(lambda a, b: jnp.where(of_rows, a, b), found, lane.at)
    decrease = by_island(lane.at.chi_square - new.chi_square, cells)
    forced = jnp.isinf(lane.predicted)
    lost = ~forced & (jnp.abs(lane.predicted) <= rounding(rows, cells))
    good = (lane.predicted > 0) & (decrease > 1e-4 * lane.predicted)
    take = forced | lost | good
    ratio = jnp.where(good, decrease / lane.predicted, 0.0)
    raised = 10.0 * jnp.maximum(lane.damping, _LEAST_RAISED)
    damping = jnp.select(
        [forced, lost, ratio < 0.25, ratio > 0.9, ratio > 0.75],
        [_FIRST_DAMPING, 0.1 * lane.damping, raised, 0.01 * lane.damping, 0.1 * lane.damping],
        lane.damping,
    )
    of_rows = take[island_of_rows]
    at = jax.tree.map(lambda a, b: jnp.where(of_rows, a, b), new, lane.at)
    x = jnp.where(take[cells.island], lane.trial, lane.x)
    system = assemble(at, x, cells, box)
    held = _is_lift(lane) & (lane.attempts == 0) & (lane.hop_steps < HELD) & lane.moved
    free = system.free.at[BETA_PL].set(system.free[BETA_PL] & ~held)
    many = jnp.where(lost, lane.lost + 1, 0)
    gain = jnp.where(forced | ~take, jnp.inf, decrease)
    back = (lane.phase == Phase.HOP) & is_back(lane, by_island(change_of(lane, at), cells))
    return lane._replace(
        x=x,
        at=at,
        system=system._replace(free=free),
        damping=damping,
        last_gain=jnp.where(back, 0.0, gain),
        lost=many,
        settled=(system.norm < settings.tolerance) | (many > _LOST_STEPS),
        steps=lane.steps + ~jnp.all(forced),
        hop_steps=lane.hop_steps + 1,
        evaluations=lane.evaluations + 1,
    )


def rounding(rows: Rows, cells: Cells) -> Float[Array, " island"]:
    """Differences of an island's chi_square that are lost in rounding."""
    return _ROUNDING * by_island(rows.power.reshape(-1), cells)


def is_waiting(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane waits for `look` or `judge` rather than for its next Newton step."""
    allowed = jnp.where(lane.hop >= LIFTED, FAR_STEPS, HOP_STEPS)
    hopped = (lane.phase == Phase.HOP) & ((lane.hop_steps > allowed) | is_at_rest(lane))
    descended = (lane.phase == Phase.DESCEND) & jnp.all(lane.settled)
    over = is_spent(lane, settings) | hopped | descended | (lane.phase == Phase.CHECK)
    return (lane.phase != Phase.DONE) & over


def is_at_minimum(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether a lane that waits waits for `look`."""
    return (lane.phase == Phase.DESCEND) & ~is_spent(lane, settings)


def is_at_rest(lane: Lane) -> Bool[Array, ""]:
    """Whether no island is on its way down."""
    return jnp.all(lane.settled | (lane.last_gain < HOP_PROMISE))


def change_of(lane: Lane, at: Derivatives) -> Float[Array, " row"]:
    """chi_square less what it is at the base."""
    return at.chi_square - lane.base.at.chi_square


def is_back(lane: Lane, change: Float[Array, " island"]) -> Bool[Array, " island"]:
    """Whether an island, on a further attempt, has come back to where its hop began."""
    return (lane.attempts > 0) & (jnp.abs(change) < HOP_PROMISE)


def _is_lift(lane: Lane) -> Bool[Array, ""]:
    return (lane.phase == Phase.HOP) & (lane.hop >= LIFTED) & (lane.hop < RESTARTED)


def is_spent(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane has no steps left, or is lost."""
    return (lane.steps >= settings.max_steps) | ~jnp.isfinite(jnp.sum(lane.at.chi_square))


def descend(lane: Lane, problem: SpectralProblem, box: Box) -> Lane:
    """Choose the next point by a Newton step of all islands that have not settled."""
    cells = problem.cells
    moving = lane.system._replace(free=lane.system.free & ~lane.settled[cells.island])
    step = newton_step(lane.at, moving, lane.x, cells, box, lane.damping)
    trial = jnp.clip(lane.x + step.change, box.low, box.high)
    return lane._replace(trial=trial, predicted=step.predicted)
