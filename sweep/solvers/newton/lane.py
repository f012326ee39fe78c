"""One realisation on its way to its minimum, as a machine that evaluates once a tick.

descend    Newton steps from the start, or from a jump, until the gradient is small
             then a scan: jumps -> descend; none -> a hop, or the end
hop        Newton steps from where a hop went, the place it left in memory
             then its regions are judged: none lower -> the next hop, or the end
check      the lower regions of a hop with all else as before
             lower -> descend; else a few more steps of hop

Every tick evaluates one point, whatever the lane is about, so that lanes under vmap share the
work; only scans and judgements are waited for.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.cells import Rows
from sweep.problem.derivatives import Derivatives, derivatives
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton.hop import HOPS, LIFTED, alternatives, among, lower_regions, regions
from sweep.solvers.newton.scan import BETA_PL, scan
from sweep.solvers.newton.system import Box, System, assemble, newton_step
from sweep.types import NOT_ATTEMPTED, Status

HOP_STEPS, LIFT_STEPS = 6, 10
HELD = 3
"""So many steps of a lift leave beta_pl where it was lifted, or it falls before dust follows."""

HOP_ATTEMPTS = 3
HOP_PROMISE = 0.02
"""A hop is judged when its last step lowered chi_square by less than this."""
_ROUNDING = 1e-16
"""Share of d^T d that differences of chi_square are lost in."""

_LOST_STEPS = 6
"""So many steps below rounding end a descent."""

_JUMP = 1e-4
"""A jump or a hop lowers chi_square by more than this, and a thousand roundings."""

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
    """The minimum that hops start from and return to."""

    x: Spectral
    values: Float[Array, " row"]
    norm: Scalar


class Lane(NamedTuple):
    """The state of one realisation.

    Attributes:
        x, at: the lowest point of this descent, and the likelihood about it.
        system: the sums of `at` over clusters.
        trial: the point that is evaluated next.
        predicted: decrease that the step to `trial` promises; infinite where it must be taken,
            NaN where no trial has been chosen.
        phase: see `Phase`.
        settled: whether `x` is a minimum, or rounding ends the descent.
        damping: of the next step.
        last_gain: decrease of chi_square in the last step that was taken.
        lost: steps in a row whose decrease is below rounding.
        steps, evaluations, scans, jumps: counts of the whole fit.
        certified: whether a scan found nothing lower than `x`; -1 before there was one.
        status: `Status`, once done.
        base: the minimum in memory while hopping.
        goals: where each hop takes beta_pl clusters; NaN stays.
        refused: goals that led nowhere lower, and would not now.
        moved, candidates: clusters that this hop moved, and those not yet rejected.
        hop_steps, attempts, hop: of this hop, and which it is.
    """

    x: Spectral
    at: Derivatives
    system: System
    trial: Spectral
    predicted: Scalar
    phase: Int[Array, ""]
    settled: Bool[Array, ""]
    damping: Scalar
    last_gain: Scalar
    lost: Int[Array, ""]
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    scans: Int[Array, ""]
    jumps: Int[Array, ""]
    certified: Int[Array, ""]
    status: Int[Array, ""]
    base: Base
    goals: Float[Array, "try cluster"]
    refused: Float[Array, "try cluster"]
    moved: Bool[Array, " cluster"]
    candidates: Bool[Array, " cluster"]
    hop_steps: Int[Array, ""]
    attempts: Int[Array, ""]
    hop: Int[Array, ""]


def begin(start: Spectral, n_rows: int) -> Lane:
    """A lane that is about to evaluate the start."""
    length = start.shape[1]
    dtype = start.dtype
    zero, count = jnp.zeros((), dtype), jnp.int32(0)
    values = jnp.zeros(n_rows, dtype)
    nobody = jnp.zeros(length, bool)
    flat = jnp.zeros_like(start)
    return Lane(
        x=start,
        at=Derivatives(values, *(jnp.zeros((k, n_rows), dtype) for k in (3, 6, 6))),
        system=System(flat, flat, flat, flat, jnp.zeros(start.shape, bool), zero),
        trial=start,
        predicted=zero + jnp.inf,
        phase=jnp.int32(Phase.DESCEND),
        settled=jnp.bool_(False),
        damping=zero + _FIRST_DAMPING,
        last_gain=zero,
        lost=count,
        steps=count,
        evaluations=count,
        scans=count,
        jumps=count,
        certified=jnp.int32(NOT_ATTEMPTED),
        status=jnp.int32(Status.PENDING),
        base=Base(start, values, zero),
        goals=jnp.full((HOPS, length), jnp.nan, dtype),
        refused=jnp.full((HOPS, length), jnp.nan, dtype),
        moved=nobody,
        candidates=nobody,
        hop_steps=count,
        attempts=count,
        hop=count,
    )


def evaluate(
    lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings
) -> Lane:
    """Evaluate the trial point, and take it if it is as good as promised, or must be taken."""
    new = derivatives(problem, rows, lane.trial)
    decrease = jnp.sum(lane.at.chi_square - new.chi_square)
    rounding = _ROUNDING * jnp.sum(rows.power)
    forced = jnp.isinf(lane.predicted)
    lost = ~forced & (jnp.abs(lane.predicted) < rounding)
    good = (lane.predicted > 0) & (decrease > 1e-4 * lane.predicted)
    take = forced | lost | good
    ratio = jnp.where(good, decrease / lane.predicted, 0.0)
    raised = 10.0 * jnp.maximum(lane.damping, _LEAST_RAISED)
    damping = jnp.select(
        [forced, lost, ratio < 0.25, ratio > 0.9, ratio > 0.75],
        [_FIRST_DAMPING, 0.1 * lane.damping, raised, 0.01 * lane.damping, 0.1 * lane.damping],
        lane.damping,
    )
    at = jax.tree.map(lambda a, b: jnp.where(take, a, b), new, lane.at)
    x = jnp.where(take, lane.trial, lane.x)
    system = assemble(at, x, problem.cells.flat_index, box)
    held = _is_lift(lane) & (lane.attempts == 0) & (lane.hop_steps < HELD) & lane.moved
    free = system.free.at[BETA_PL].set(system.free[BETA_PL] & ~held)
    many = jnp.where(lost, lane.lost + 1, 0)
    return lane._replace(
        x=x,
        at=at,
        system=system._replace(free=free),
        damping=damping,
        last_gain=jnp.where(forced | ~take, jnp.inf, decrease),
        lost=many,
        settled=(system.norm < settings.tolerance) | (many > _LOST_STEPS),
        steps=lane.steps + ~forced,
        hop_steps=lane.hop_steps + 1,
        evaluations=lane.evaluations + 1,
    )


def is_waiting(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane waits for `look` or `judge` rather than for its next Newton step."""
    allowed = jnp.where(_is_lift(lane), LIFT_STEPS, HOP_STEPS)
    hopped = (lane.phase == Phase.HOP) & (
        lane.settled | (lane.hop_steps > allowed) | (lane.last_gain < HOP_PROMISE)
    )
    descended = (lane.phase == Phase.DESCEND) & lane.settled
    over = _is_spent(lane, settings) | hopped | descended | (lane.phase == Phase.CHECK)
    return (lane.phase != Phase.DONE) & over


def is_at_minimum(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether a lane that waits waits for `look`."""
    return (lane.phase == Phase.DESCEND) & ~_is_spent(lane, settings)


def _is_lift(lane: Lane) -> Bool[Array, ""]:
    return (lane.phase == Phase.HOP) & (lane.hop >= LIFTED)


def _is_spent(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    return (lane.steps >= settings.max_steps) | ~jnp.isfinite(jnp.sum(lane.at.chi_square))


def descend(lane: Lane, problem: SpectralProblem, box: Box) -> Lane:
    """Choose the next point by a Newton step."""
    index = problem.cells.flat_index
    step = newton_step(lane.at, lane.system, lane.x, index, box, lane.damping)
    trial = jnp.clip(lane.x + step.change, box.low, box.high)
    return lane._replace(trial=trial, predicted=step.predicted)


def look(lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings) -> Lane:
    """At a minimum: scan; jump, or hop, or end."""
    values = lane.at.chi_square
    found = scan(problem, rows, lane.x, values, box, settings.nodes, _least_fall(rows))
    jumping = (found.jumps > 0) & (lane.scans + 1 < settings.max_scans)
    seen = lane._replace(
        scans=lane.scans + 1, certified=(found.jumps == 0).astype(jnp.int32), lost=jnp.int32(0)
    )
    jumped = seen._replace(
        trial=found.jumped,
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        jumps=lane.jumps + found.jumps,
        refused=jnp.full_like(lane.refused, jnp.nan),
    )

    def rested() -> Lane:
        goals = alternatives(problem, rows, lane.x, values, found, lane.system, box)
        known = jnp.any(goals[:, None] == lane.refused, axis=1)
        at_base = seen._replace(
            base=Base(lane.x, values, lane.system.norm),
            goals=jnp.where(known, jnp.nan, goals),
            hop=jnp.int32(-1),
        )
        return _next_hop(at_base, allowed=lane.scans + 1 < settings.max_scans)

    # a single lane that jumps is spared the evaluations of the lifts
    return jax.lax.cond(jumping, lambda: jumped, rested)


def judge(lane: Lane, rows: Rows, problem: SpectralProblem, settings: Settings) -> Lane:
    """Choose the next point after a hop or a check, or end where steps are spent."""
    hopping = (lane.phase == Phase.HOP) | (lane.phase == Phase.CHECK)
    return jax.lax.cond(
        _is_spent(lane, settings),
        lambda: _end(_back(lane, hopping)),
        lambda: _judge(lane, problem, _least_fall(rows)),
    )


def _least_fall(rows: Rows) -> Scalar:
    return _JUMP + 1e3 * _ROUNDING * jnp.sum(rows.power)


def _next_hop(lane: Lane, allowed: Bool[Array, ""] | bool = True) -> Lane:
    """From the base: take the next hop that goes anywhere, or end."""
    some = jnp.any(jnp.isfinite(lane.goals), axis=1) & (jnp.arange(HOPS) > lane.hop)
    hop = jnp.argmax(some).astype(jnp.int32)
    goal = lane.goals[hop]
    moved = jnp.isfinite(goal)
    beta_pl = jnp.where(moved, goal, lane.base.x[BETA_PL])
    hopped = lane._replace(
        trial=lane.base.x.at[BETA_PL].set(beta_pl),
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        phase=jnp.int32(Phase.HOP),
        hop=hop,
        moved=moved,
        candidates=moved,
        hop_steps=jnp.int32(0),
        attempts=jnp.int32(0),
        lost=jnp.int32(0),
    )
    ended = _end(_back(lane, jnp.bool_(True)))
    go = jnp.any(some) & allowed
    return jax.tree.map(lambda a, b: jnp.where(go, a, b), hopped, ended)


def _judge(lane: Lane, problem: SpectralProblem, tolerance: Scalar) -> Lane:
    """After a hop or a check: keep what is lower, try on, or go back."""
    change = lane.at.chi_square - lane.base.values
    checking = lane.phase == Phase.CHECK
    # past the first attempt all that has moved is in question together
    won = (checking | (lane.attempts > 0)) & (jnp.sum(change) < -tolerance)
    of_rows, of_clusters = regions(lane.moved, problem.cells.flat_index)
    lower = lower_regions(of_rows, lane.candidates, change, tolerance)
    mixed = lane._replace(
        trial=jnp.where(among(of_clusters, lower), lane.x, lane.base.x),
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        phase=jnp.int32(Phase.CHECK),
        candidates=lower,
        lost=jnp.int32(0),
    )
    near = among(of_clusters, lane.candidates)[BETA_PL]
    tried = jnp.where(jnp.arange(HOPS)[:, None] <= lane.hop, lane.goals, jnp.nan)
    kept = lane._replace(
        predicted=jnp.full_like(lane.predicted, jnp.nan),
        phase=jnp.int32(Phase.DESCEND),
        certified=jnp.int32(0),  # where it stands now has not been scanned
        jumps=lane.jumps + jnp.sum(lane.candidates, dtype=jnp.int32),
        refused=jnp.where(near, jnp.nan, jnp.where(jnp.isnan(tried), lane.refused, tried)),
    )
    again = lane._replace(
        predicted=jnp.full_like(lane.predicted, jnp.nan),
        phase=jnp.int32(Phase.HOP),
        hop_steps=jnp.int32(0),
        attempts=lane.attempts + 1,
    )
    same = (lane.attempts > 0) & jnp.all(lower == lane.candidates)
    at_rest = lane.settled | (lane.last_gain < HOP_PROMISE)
    over = jnp.where(
        checking, lane.attempts + 1 >= HOP_ATTEMPTS, ~jnp.any(lower) | (same & at_rest)
    )
    elsewhere = _next_hop(lane)
    return jax.tree.map(
        lambda win, stop, more, mix: jnp.where(
            won, win, jnp.where(over, stop, jnp.where(checking, more, mix))
        ),
        kept,
        elsewhere,
        again,
        mixed,
    )


def _back(lane: Lane, hopping: Bool[Array, ""]) -> Lane:
    """Return to the base, if there is one."""
    return lane._replace(
        x=jnp.where(hopping, lane.base.x, lane.x),
        system=lane.system._replace(norm=jnp.where(hopping, lane.base.norm, lane.system.norm)),
        at=lane.at._replace(chi_square=jnp.where(hopping, lane.base.values, lane.at.chi_square)),
        settled=lane.settled | hopping,
    )


def _end(lane: Lane) -> Lane:
    finite = jnp.isfinite(jnp.sum(lane.at.chi_square))
    return lane._replace(
        phase=jnp.int32(Phase.DONE),
        status=jnp.where(
            finite,
            jnp.where(lane.settled, Status.STALLED, Status.MAX_STEPS),
            Status.NONFINITE,
        ).astype(jnp.int32),
    )
