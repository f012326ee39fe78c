"""One realisation on its way: a descent, then a scan that may jump, until nothing goes lower.

A scan tries every cluster over its whole box: what can go lower jumps and descends again; if
nothing can, the fit has ended. Every tick evaluates one point, so that lanes under vmap share the
work; only scans are waited for.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from sweep.problem.cells import Cells, Rows
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton import descent as descents
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.constants import CONSTANTS
from sweep.solvers.newton.descent import Descent, is_finite, is_settled, rounding
from sweep.solvers.newton.scan import scan
from sweep.types import NOT_ATTEMPTED, Status


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
        descent: where it is.
        scans, jumps: scans so far, and clusters that they moved.
        certified: whether the last scan found nothing lower; -1 before there was one.
        status: `Status`, pending until the fit has ended.
    """

    descent: Descent
    scans: Int[Array, ""]
    jumps: Int[Array, ""]
    certified: Int[Array, ""]
    status: Int[Array, ""]


def begin(start: Spectral, cells: Cells) -> Lane:
    """A lane that is about to evaluate the start."""
    return Lane(
        descent=descents.begin(start, cells),
        scans=jnp.int32(0),
        jumps=jnp.int32(0),
        certified=jnp.int32(NOT_ATTEMPTED),
        status=jnp.int32(Status.PENDING),
    )


def evaluate(lane: Lane, rows: Rows, problem: SpectralProblem, box: Box) -> Lane:
    """One tick: evaluate the next point."""
    return lane._replace(descent=descents.evaluate(lane.descent, rows, problem, box))


def step(lane: Lane, problem: SpectralProblem, box: Box) -> Lane:
    """Choose the next point by a Newton step."""
    return lane._replace(descent=descents.step(lane.descent, problem, box))


def is_spent(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane has no steps left, or is lost."""
    return (lane.descent.steps >= settings.max_steps) | ~is_finite(lane.descent)


def is_waiting(lane: Lane, settings: Settings) -> Bool[Array, ""]:
    """Whether the lane waits for `scan_or_end` rather than for its next Newton step."""
    settled = is_settled(lane.descent, settings.tolerance)
    return ~has_ended(lane) & (is_spent(lane, settings) | settled)


def has_ended(lane: Lane) -> Bool[Array, "*lane"]:
    """Whether the fit is over, of a lane or of each of several."""
    return lane.status != Status.PENDING


def scan_or_end(
    lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings
) -> Lane:
    """At a minimum: scan, and jump or end; end as well where steps are spent."""
    here = lane.descent

    def scanned() -> Lane:
        least = CONSTANTS.jump + CONSTANTS.jump_roundings * rounding(rows)
        found = scan(problem, rows, here.x, here.at.chi_square, box, settings.nodes, least)
        jumping = (found.jumps > 0) & (lane.scans + 1 < settings.max_scans)
        return Lane(
            descent=descents.moved(here, found.jumped),
            scans=lane.scans + 1,
            jumps=lane.jumps + jnp.where(jumping, found.jumps, 0),
            certified=(found.jumps == 0).astype(jnp.int32),
            status=jnp.where(jumping, Status.PENDING, Status.STALLED).astype(jnp.int32),
        )

    def spent() -> Lane:
        settled = is_settled(here, settings.tolerance)
        finite = jnp.where(settled, Status.STALLED, Status.MAX_STEPS)
        status = jnp.where(is_finite(here), finite, Status.NONFINITE)
        return lane._replace(status=status.astype(jnp.int32))

    return jax.lax.cond(is_spent(lane, settings), spent, scanned)
