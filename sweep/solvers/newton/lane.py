"""One realisation on its way to its minimum, as a machine that evaluates once a tick.

Newton steps go from the start until the gradient is small. Then a scan tries every cluster over
its whole box: what can go lower jumps and descends again; if nothing can, the fit has ended.

Every tick evaluates one point, so that lanes under vmap share the work; only scans are waited for.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Scalar

from sweep.problem.cells import Cells, Rows
from sweep.problem.derivatives import Derivatives, derivatives
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton.scan import scan
from sweep.solvers.newton.system import (
    Box,
    System,
    assemble,
    newton_step,
)
from sweep.types import NOT_ATTEMPTED, Status

_ROUNDING = 1e-16
"""Share of d^T d that differences of chi_square are lost in."""

_LOST_STEPS = 30
"""More steps below rounding than these end a descent. The gradient still falls in them, by a tenth
a step where a curvature is weak and another takes its place."""

_JUMP = 1e-4
"""A jump lowers what is minimised by more than this, and a thousand roundings."""

_FIRST_DAMPING, _LEAST_RAISED = 1e-5, 1e-2
"""Of Levenberg and Marquardt, in units of the Gauss-Newton diagonal."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Settings:
    """What `NewtonSolver` was told; only the number of nodes shapes the program."""

    max_steps: int
    tolerance: float
    max_scans: int
    nodes: int = field(metadata={"static": True})


class Lane(NamedTuple):
    """The state of one realisation.

    Attributes:
        x, at: the lowest point of this descent, and the likelihood about it.
        system: the sums of `at` over clusters, with the priors.
        trial: the point that is evaluated next.
        predicted: decrease that the step to `trial` promises; infinite where it must be taken.
        settled: whether `x` is a minimum, or rounding ends the descent.
        damping: of the next step.
        lost: steps in a row whose decrease is below rounding.
        steps, evaluations, scans, jumps: counts of the whole fit.
        certified: whether a scan found nothing lower than `x`; -1 before there was one.
        status: `Status`, pending until the fit has ended.
    """

    x: Spectral
    at: Derivatives
    system: System
    trial: Spectral
    predicted: Scalar
    settled: Bool[Array, ""]
    damping: Scalar
    lost: Int[Array, ""]
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    scans: Int[Array, ""]
    jumps: Int[Array, ""]
    certified: Int[Array, ""]
    status: Int[Array, ""]


def begin(start: Spectral, cells: Cells) -> Lane:
    """A lane that is about to evaluate the start."""
    n_rows, dtype = cells.flat_index.shape[1], start.dtype
    count, flat = jnp.int32(0), jnp.zeros_like(start)
    of_rows, none = jnp.zeros(n_rows, dtype), jnp.zeros((), dtype)
    return Lane(
        x=jnp.full_like(start, jnp.nan),  # nowhere yet
        at=Derivatives(of_rows, *(jnp.zeros((k, n_rows), dtype) for k in (3, 6, 6))),
        system=System(flat, flat, flat, flat, jnp.zeros(start.shape, bool), none),
        trial=start,
        predicted=none + jnp.inf,
        settled=jnp.bool_(False),
        damping=none + _FIRST_DAMPING,
        lost=count,
        steps=count,
        evaluations=count,
        scans=count,
        jumps=count,
        certified=jnp.int32(NOT_ATTEMPTED),
        status=jnp.int32(Status.PENDING),
    )


def evaluate(
    lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings
) -> Lane:
    """Evaluate the trial point, and take it where it is as good as promised, or must be taken."""
    new = derivatives(problem, rows, lane.trial)
    decrease = jnp.sum(lane.at.chi_square - new.chi_square) - jnp.sum(box.rise(lane.x, lane.trial))
    forced = jnp.isinf(lane.predicted)
    lost = ~forced & (jnp.abs(lane.predicted) <= rounding(rows))
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
    system = assemble(at, x, problem.cells, box)
    many = jnp.where(lost, lane.lost + 1, 0)
    return lane._replace(
        x=x,
        at=at,
        system=system,
        damping=damping,
        lost=many,
        settled=(system.norm < settings.tolerance) | (many > _LOST_STEPS),
        steps=lane.steps + ~forced,
        evaluations=lane.evaluations + 1,
    )


def rounding(rows: Rows) -> Scalar:
    """Differences of chi_square that are lost in rounding."""
    return _ROUNDING * jnp.sum(rows.power)


def is_spent(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane has no steps left, or is lost."""
    return (lane.steps >= settings.max_steps) | ~jnp.isfinite(jnp.sum(lane.at.chi_square))


def is_waiting(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane waits for `look` rather than for its next Newton step."""
    return ~has_ended(lane) & (is_spent(lane, settings) | lane.settled)


def has_ended(lane: Lane) -> Bool[Array, ""]:
    """Whether the fit is over."""
    return lane.status != Status.PENDING


def descend(lane: Lane, problem: SpectralProblem, box: Box) -> Lane:
    """Choose the next point by a Newton step."""
    step = newton_step(lane.at, lane.system, lane.x, problem.cells, box, lane.damping)
    trial = jnp.clip(lane.x + step.change, box.low, box.high)
    return lane._replace(trial=trial, predicted=step.predicted)


def look(lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings) -> Lane:
    """At a minimum: scan, and jump or end; end as well where steps are spent."""

    def scanned() -> Lane:
        least = _JUMP + 1e3 * rounding(rows)
        found = scan(problem, rows, lane.x, lane.at.chi_square, box, settings.nodes, least)
        jumping = (found.jumps > 0) & (lane.scans + 1 < settings.max_scans)
        return lane._replace(
            trial=found.jumped,
            predicted=jnp.full_like(lane.predicted, jnp.inf),
            lost=jnp.int32(0),
            scans=lane.scans + 1,
            jumps=lane.jumps + jnp.where(jumping, found.jumps, 0),
            certified=(found.jumps == 0).astype(jnp.int32),
            status=jnp.where(jumping, Status.PENDING, Status.STALLED).astype(jnp.int32),
        )

    def spent() -> Lane:
        finite = jnp.isfinite(jnp.sum(lane.at.chi_square))
        status = jnp.where(
            finite,
            jnp.where(lane.settled, Status.STALLED, Status.MAX_STEPS),
            Status.NONFINITE,
        )
        return lane._replace(status=status.astype(jnp.int32))

    return jax.lax.cond(is_spent(lane, settings), spent, scanned)
