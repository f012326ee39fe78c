"""A pool of lanes: a lane that is done takes the next realisation, so that none waits.

On a CPU the pool is one lane; on an accelerator it is as wide as the block, or as memory allows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.cells import Rows
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.lane import (
    Lane,
    Settings,
    begin,
    evaluate,
    has_ended,
    is_spent,
    is_waiting,
    scan_or_end,
    step,
)


class Ended(NamedTuple):
    """How the realisations ended; every leaf leads with their axis."""

    x: Spectral
    norm: Scalar
    status: Int[Array, ""]
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    scans: Int[Array, ""]
    jumps: Int[Array, ""]
    certified: Int[Array, ""]

    @classmethod
    def of(cls, lane: Lane) -> "Ended":
        """What remains of a lane, or of each of several."""
        descent = lane.descent
        return cls(
            descent.x,
            descent.system.norm,
            lane.status,
            descent.steps,
            descent.evaluations,
            lane.scans,
            lane.jumps,
            lane.certified,
        )


class Work(NamedTuple):
    """What a pool did, every time for all its lanes together.

    Attributes:
        ticks: evaluations.
        steps: solutions of Newton's equations.
        scans: scans.
    """

    ticks: Int[Array, ""]
    steps: Int[Array, ""]
    scans: Int[Array, ""]


class _Pool(NamedTuple):
    """The lanes, the realisations they hold (as many as there are: none), and what has ended."""

    lanes: Lane
    own: Rows
    numbers: Int[Array, " lane"]
    following: Int[Array, ""]
    ended: Ended
    work: Work


def fit_pool(
    problem: SpectralProblem,
    rows: Rows,
    starts: Float[Array, "realisation parameter cluster"],
    box: Box,
    settings: Settings,
    width: int,
) -> tuple[Ended, Work]:
    """Fit every realisation of `rows` in a pool of `width` lanes, within one program."""
    count = rows.total.shape[0]

    def tick(lane: Lane, own: Rows) -> Lane:
        return evaluate(lane, own, problem, box)

    def choose(lanes: Lane, own: Rows, work: Work) -> tuple[Lane, Work]:
        """The next point of every lane; a branch that no lane takes costs nothing."""
        waiting = _each(lambda lane: is_waiting(lane, settings), width)(lanes)
        scanning = waiting & ~_each(lambda lane: is_spent(lane, settings), width)(lanes)

        def scanned(lane: Lane, rows: Rows) -> Lane:
            return scan_or_end(lane, rows, problem, box, settings)

        def stepped(lane: Lane) -> Lane:
            return step(lane, problem, box)

        lanes = _where_any(waiting, scanned, lanes, own)
        stepping = ~has_ended(lanes) & ~waiting
        done = Work(work.ticks + 1, work.steps + jnp.any(stepping), work.scans + jnp.any(scanning))
        return _where_any(stepping, stepped, lanes), done

    def refill(state: _Pool) -> _Pool:
        over = has_ended(state.lanes) & (state.numbers < count)
        place = jnp.where(over, state.numbers, count)
        ended = jax.tree.map(
            lambda to, new: to.at[place].set(new, mode="drop"), state.ended, Ended.of(state.lanes)
        )
        fresh = state.following + jnp.cumsum(over, dtype=jnp.int32) - 1
        begins = over & (fresh < count)
        number = jnp.minimum(fresh, count - 1)
        own = jax.tree.map(lambda all_, old: _select(begins, all_[number], old), rows, state.own)
        fresh_lanes = begin_all(starts[number])
        lanes = jax.tree.map(lambda new, old: _select(begins, new, old), fresh_lanes, state.lanes)
        return _Pool(
            lanes=lanes,
            own=own,
            numbers=jnp.where(over, jnp.minimum(fresh, count), state.numbers),
            following=state.following + jnp.sum(over, dtype=jnp.int32),
            ended=ended,
            work=state.work,
        )

    def body(state: _Pool) -> _Pool:
        lanes, work = choose(_each(tick, width)(state.lanes, state.own), state.own, state.work)
        state = state._replace(lanes=lanes, work=work)
        over = has_ended(lanes) & (state.numbers < count)
        return jax.lax.cond(jnp.any(over), refill, lambda s: s, state)

    begin_all = jax.vmap(lambda start: begin(start, problem.cells))
    first = begin_all(starts[:width])
    state = _Pool(
        lanes=first,
        own=jax.tree.map(lambda leaf: leaf[:width], rows),
        numbers=jnp.arange(width, dtype=jnp.int32),
        following=jnp.int32(width),
        ended=jax.tree.map(
            lambda leaf: jnp.stack([leaf] * count), Ended.of(begin(starts[0], problem.cells))
        ),
        work=Work(*[jnp.int32(0)] * 3),
    )
    end = jax.lax.while_loop(lambda s: jnp.any(s.numbers < count), body, state)
    return end.ended, end.work


def _select(which: Bool[Array, " lane"], a: Array, b: Array) -> Array:
    return jnp.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)


def _each(one: Callable, width: int) -> Callable:
    """Map over lanes; a single lane is not vmapped, which would turn branches into selects."""
    if width > 1:
        return jax.vmap(one)

    def single(*lanes: Any) -> Any:
        alone = jax.tree.map(lambda leaf: leaf[0], lanes)
        return jax.tree.map(lambda leaf: leaf[None], one(*alone))

    return single


def _where_any(which: Array, one: Callable, lanes: Lane, *others: Any) -> Lane:
    """Apply `one` to the lanes of `which`, and do nothing at all where there is none."""

    def apply(lanes: Lane) -> Lane:
        new = _each(one, which.size)(lanes, *others)
        return jax.tree.map(lambda a, b: _select(which, a, b), new, lanes)

    return jax.lax.cond(jnp.any(which), apply, lambda lanes: lanes, lanes)
