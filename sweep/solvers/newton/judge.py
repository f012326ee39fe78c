"""What a lane does when it waits: it looks about at a minimum, and judges its hops."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sweep.problem.cells import Cells, Rows
from sweep.problem.sed import SpectralProblem
from sweep.solvers.newton.hop import (
    HOPS,
    RESTARTED,
    alternatives,
    among,
    lower_regions,
    regions,
    restarts,
)
from sweep.solvers.newton.lane import (
    Base,
    Lane,
    Phase,
    Settings,
    change_of,
    is_at_rest,
    is_back,
    is_spent,
    rounding,
)
from sweep.solvers.newton.scan import BETA_PL, scan
from sweep.solvers.newton.system import Box, by_island, islands_of
from sweep.types import Status

_ATTEMPTS = 3
"""So often a hop is tried on where its regions are lower each, but not together."""

_JUMP = 1e-4
"""A jump or a hop lowers chi_square by more than this, and a thousand roundings."""


def look(lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings) -> Lane:
    """At a minimum: scan; jump, or hop, or end."""
    values = lane.at.chi_square
    least = _least_fall(rows, problem.cells)[problem.cells.island]
    found = scan(problem, rows, lane.x, values, box, settings.nodes, least)
    jumping = (found.jumps > 0) & (lane.scans + 1 < settings.max_scans)
    seen = lane._replace(
        scans=lane.scans + 1,
        certified=(found.jumps == 0).astype(jnp.int32),
        lost=jnp.zeros_like(lane.lost),
    )
    jumped = seen._replace(
        trial=found.jumped,
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        jumps=lane.jumps + found.jumps,
        refused=_again(lane.refused, jnp.ones_like(lane.moved)),
    )

    def rested() -> Lane:
        goals = alternatives(problem, rows, lane.x, values, found, lane.system, box)
        known = jnp.any(goals[:, None] == lane.refused, axis=1)
        at_base = seen._replace(
            base=_here(lane),
            improved=jnp.bool_(False),
            goals=jnp.where(known, jnp.nan, goals),
            hop=jnp.int32(-1),
        )
        return _next_hop(at_base, problem.cells, box, allowed=lane.scans + 1 < settings.max_scans)

    # a single lane that jumps is spared the evaluations of the lifts
    return jax.lax.cond(jumping, lambda: jumped, rested)


def judge(lane: Lane, rows: Rows, problem: SpectralProblem, box: Box, settings: Settings) -> Lane:
    """Choose the next point after a hop or a check, or end where steps are spent."""
    hopping = (lane.phase == Phase.HOP) | (lane.phase == Phase.CHECK)
    return jax.lax.cond(
        is_spent(lane, settings),
        lambda: _end(jax.tree.map(partial(jnp.where, hopping), _at_base(lane), lane)),
        lambda: _judge(lane, problem, box, _least_fall(rows, problem.cells)),
    )


def _least_fall(rows: Rows, cells: Cells) -> Float[Array, " island"]:
    return _JUMP + 1e3 * rounding(rows, cells)


def _again(
    refused: Float[Array, "try cluster"], near: Bool[Array, " cluster"]
) -> Float[Array, "try cluster"]:
    """Forget what is refused near a change, but for new starts: they end where they did."""
    forgotten = near & (jnp.arange(HOPS)[:, None] < RESTARTED)
    return jnp.where(forgotten, jnp.nan, refused)


def _next_hop(lane: Lane, cells: Cells, box: Box, allowed: Bool[Array, ""] | bool = True) -> Lane:
    """From the base: take the next hop that goes anywhere, or descend, or end."""
    some = jnp.any(jnp.isfinite(lane.goals), axis=1) & (jnp.arange(HOPS) > lane.hop)
    hop = jnp.argmax(some).astype(jnp.int32)
    goal = lane.goals[hop]
    moved = jnp.isfinite(goal)
    hopping = jnp.any(some) & allowed
    beta_pl = jnp.where(moved & hopping, goal, lane.base.x[BETA_PL])
    moved_islands = islands_of(moved[cells.flat_index[BETA_PL]], cells)
    anew = (hop >= RESTARTED) & hopping & moved_islands
    start = restarts(box)[jnp.maximum(hop - RESTARTED, 0)]
    trial = jnp.where(anew[cells.island], start, lane.base.x.at[BETA_PL].set(beta_pl))
    gone = _at_base(lane)._replace(
        trial=trial,
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        phase=jnp.where(hopping, Phase.HOP, Phase.DESCEND).astype(jnp.int32),
        hop=hop,
        moved=moved,
        candidates=moved,
        hop_steps=jnp.int32(0),
        attempts=jnp.int32(0),
        lost=jnp.zeros_like(lane.lost),
    )
    ended = _end(_at_base(lane))
    go = hopping | lane.improved
    return jax.tree.map(lambda a, b: jnp.where(go, a, b), gone, ended)


def _judge(
    lane: Lane, problem: SpectralProblem, box: Box, tolerance: Float[Array, " island"]
) -> Lane:
    """After a hop or a check: keep what is lower, try on, or go on from the base."""
    cells = problem.cells
    here = _here(lane)
    change = change_of(lane, lane.at)
    of_islands = by_island(change, cells)
    checking = lane.phase == Phase.CHECK
    # past the first attempt all of an island that has moved is in question together
    in_question = checking | (lane.attempts > 0)
    won = in_question & (of_islands < -tolerance)
    of_rows, of_clusters = regions(lane.moved, cells.flat_index)
    of_beta_pl = tolerance[cells.island[BETA_PL]]
    lower = lower_regions(of_rows, lane.candidates, change, of_beta_pl)
    lower_rows = (of_rows >= 0) & lower[jnp.maximum(of_rows, 0)]
    winners = lane.candidates & won[cells.island[BETA_PL]]
    goals = lane.goals[lane.hop]
    refused = lane.refused.at[lane.hop].set(
        jnp.where(jnp.isnan(goals), lane.refused[lane.hop], goals)
    )
    kept = lane._replace(
        base=_chosen(won, here, lane.base, cells),
        improved=lane.improved | jnp.any(won),
        refused=_again(refused, among(of_clusters, winners)[BETA_PL]),
        certified=jnp.where(jnp.any(won), 0, lane.certified),  # the base has not been scanned
        jumps=lane.jumps + jnp.sum(winners, dtype=jnp.int32),
    )
    some_lower = islands_of(lower_rows, cells)
    back = _at_base(lane._replace(base=_chosen(some_lower, here, lane.base, cells)))
    mixed = back._replace(
        base=lane.base,
        trial=jnp.where(among(of_clusters, lower), lane.x, lane.base.x),
        predicted=jnp.full_like(lane.predicted, jnp.inf),
        phase=jnp.int32(Phase.CHECK),
        candidates=lower,
        lost=jnp.zeros_like(lane.lost),
    )
    again = lane._replace(
        predicted=jnp.full_like(lane.predicted, jnp.nan),
        phase=jnp.int32(Phase.HOP),
        hop_steps=jnp.int32(0),
        attempts=lane.attempts + 1,
    )
    same = (lane.attempts > 0) & jnp.all(lower == lane.candidates)
    over = jnp.all(is_back(lane, of_islands)) | jnp.where(
        checking, lane.attempts + 1 >= _ATTEMPTS, ~jnp.any(lower) | (same & is_at_rest(lane))
    )
    return jax.tree.map(
        lambda stop, more, mix: jnp.where(
            over | jnp.any(won), stop, jnp.where(checking, more, mix)
        ),
        _next_hop(kept, cells, box),
        again,
        mixed,
    )


def _chosen(which: Bool[Array, " island"], one: Base, other: Base, cells: Cells) -> Base:
    """`one` where `which` says, else `other`."""
    of_rows, of_clusters = which[cells.island_of_rows], which[cells.island]
    return Base(
        x=jnp.where(of_clusters, one.x, other.x),
        at=jax.tree.map(lambda a, b: jnp.where(of_rows, a, b), one.at, other.at),
        norm=jnp.where(which, one.norm, other.norm),
        settled=jnp.where(which, one.settled, other.settled),
    )


def _here(lane: Lane) -> Base:
    return Base(lane.x, lane.at, lane.system.norm, lane.settled)


def _at_base(lane: Lane) -> Lane:
    base = lane.base
    return lane._replace(
        x=base.x, at=base.at, system=lane.system._replace(norm=base.norm), settled=base.settled
    )


def _end(lane: Lane) -> Lane:
    finite = jnp.isfinite(jnp.sum(lane.at.chi_square))
    return lane._replace(
        phase=jnp.int32(Phase.DONE),
        status=jnp.where(
            finite,
            jnp.where(jnp.all(lane.settled), Status.STALLED, Status.MAX_STEPS),
            Status.NONFINITE,
        ).astype(jnp.int32),
    )
