"""The hop: synchrotron clusters tried far away, with everything around them free to follow.

A scan holds all other clusters still, and misses minima in which dust takes another value too. A
hop moves every weakly constrained beta_pl cluster at once, descends for a few steps, and keeps the
regions of the sky that ended lower: regions that moved apart from each other are judged apart.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweep.problem.cells import Rows
from sweep.problem.derivatives import derivatives
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.solvers.newton.scan import BETA_PL, Scan, local_minima
from sweep.solvers.newton.system import Box, System, assemble, total

VALLEY = 40.0
"""A hop is tried to another minimum of a cluster, the others held, if it is higher by less."""

SHELF, MARGIN = 6.0, 0.5
"""Or to where chi_square rises by less than the first, and should by the second more than that."""

FAR = 1.0
"""A cluster with neither that is farther from where most are is tried towards them at any price,
for dust with few pixels a cluster may have followed it there."""

LIFTS = (0.03, 0.05)
"""Clusters are lifted to these shares of the box below its upper end, where synchrotron looks
most like dust and takes the place of some of it."""

FOLLOWED, BELOW = 40.0, 0.3
"""A cluster is lifted where chi_square rises by less than the first once beta_dust has followed,
and that is farther away than the second."""

LIFTED = 3
"""The first hop that lifts; before it come the turns and the other sides: see `alternatives`."""

RESTARTS = ((1.6, 1 / 9.0, -0.8),)
"""beta_dust, coldness and beta_pl from which small islands start anew, unless their box is less."""

FEW = 4
"""An island is small with no more beta_pl clusters: of many, one start would not do for all."""

RESTARTED = LIFTED + len(LIFTS)
"""The first hop that starts anew."""

HOPS = RESTARTED + len(RESTARTS)
"""Number of hops from a minimum."""

_REACH = 3
"""A region reaches this many shared clusters away from what moved."""


def alternatives(
    problem: SpectralProblem,
    rows: Rows,
    x: Spectral,
    values: Float[Array, " row"],
    scanned: Scan,
    system: System,
    box: Box,
) -> Float[Array, "try cluster"]:
    """Where to try each beta_pl cluster, hop by hop; NaN where there is nothing to try.

    On either side that is the lowest valley, or else the far end of a shelf: where chi_square is
    lower than the curvature at the minimum would have it. Neighbours take turns, the more
    promising first: two that dust clusters join would spoil each other's hop. Then comes the
    other side, or what `_towards_others` finds, then the lifts, and last new starts.

    Args:
        problem: the likelihood.
        rows: one realisation.
        x: the minimum.
        values: chi_square of the rows at `x`.
        scanned: the scan about it.
        system: its sums over clusters.
        box: the box.
    """
    index = problem.cells.flat_index
    nodes, rise = scanned.nodes, scanned.rise
    count, length = rise.shape[0], x.shape[1]
    here, curvature = x[BETA_PL, :count], system.curvature[BETA_PL, :count]
    distance = nodes - here[:, None]
    parabola = 0.5 * jnp.maximum(curvature, 0.0)[:, None] * distance**2
    seen = jnp.max(rise, axis=1, keepdims=True) > 0.0  # clusters that only pad have no rows
    shelf = seen & (rise < SHELF) & (parabola > rise + MARGIN)
    valley = seen & (rise < VALLEY) & local_minima(nodes, rise, here)
    preference = jnp.where(valley, VALLEY - rise + nodes[-1] - nodes[0], jnp.abs(distance))

    def best(side: int) -> tuple[Array, Array]:
        allowed = (valley | shelf) & (side * distance > 0)
        chosen = jnp.argmax(jnp.where(allowed, preference, -1.0), axis=1)
        cluster = jnp.arange(count)
        there = allowed[cluster, chosen]
        price = jnp.where(there, rise[cluster, chosen], jnp.inf)
        return jnp.where(there, nodes[chosen], jnp.nan), price

    (above, price_above), (below, price_below) = best(1), best(-1)
    up = price_above <= price_below
    first, second = jnp.where(up, above, below), jnp.where(up, below, above)
    price = jnp.pad(jnp.minimum(price_above, price_below), (0, length - count))
    leads = (price == _lowest_around(price, index))[:count]
    back = _towards_others(nodes, rise, here, seen[:, 0])
    other = jnp.where(jnp.isnan(second), back, second)
    small = (problem.cells.beta_pl <= FEW)[problem.cells.island[BETA_PL, :count]]
    anew = restarts(box)
    lifts = _lifts(problem, rows, x, values, box)[:, :count]
    turns = [
        jnp.where(leads, first, jnp.nan),
        jnp.where(leads, jnp.nan, first),
        other,
        *jnp.where(seen[:, 0], lifts, jnp.nan),
        *(jnp.where(seen[:, 0] & small, start, jnp.nan) for start in anew[:, BETA_PL, :count]),
    ]
    return jnp.pad(jnp.stack(turns), ((0, 0), (0, length - count)), constant_values=jnp.nan)


def restarts(box: Box) -> Float[Array, "restart parameter cluster"]:
    """Where everything starts anew."""
    starts = jnp.asarray(RESTARTS, box.low.dtype)[:, :, None]
    return jnp.clip(starts, box.low, box.high)


def _towards_others(
    nodes: Float[Array, " node"],
    rise: Float[Array, "cluster node"],
    here: Float[Array, " cluster"],
    seen: Bool[Array, " cluster"],
) -> Float[Array, " cluster"]:
    """The lowest node that is `FAR` away towards the usual value, of clusters `FAR` from it."""
    usual = jnp.nanmedian(jnp.where(seen, here, jnp.nan))
    along = (nodes - here[:, None]) * jnp.sign(usual - here)[:, None]
    end = jnp.abs(usual - here) + nodes[1] - nodes[0]
    beyond = jnp.where((along > FAR) & (along < end[:, None]), rise, jnp.inf)
    tried = seen & (jnp.abs(here - usual) > FAR) & jnp.isfinite(jnp.min(beyond, axis=1))
    return jnp.where(tried, nodes[jnp.argmin(beyond, axis=1)], jnp.nan)


def _lifts(
    problem: SpectralProblem, rows: Rows, x: Spectral, values: Float[Array, " row"], box: Box
) -> Float[Array, "lift cluster"]:
    """Where each lift takes beta_pl.

    All are tried there at once; the gain of a Gauss-Newton step of beta_dust is shared among the
    rows of its cluster.
    """
    index, length = problem.cells.flat_index, x.shape[1]
    real = rows.power.reshape(values.shape) > 0.0  # rows that only pad have no data
    rows_of_dust = total(real.astype(values.dtype)[None], index[:1], length)[0]

    def lift(share: float) -> Array:
        place = box.high[BETA_PL] - share * (box.high - box.low)[BETA_PL]
        there = x.at[BETA_PL].set(place)
        at = derivatives(problem, rows, there)
        system = assemble(at, there, problem.cells, box)
        gain = 0.5 * system.gradient[0] ** 2 / system.scale[0]
        each = jnp.where(real, (gain / jnp.maximum(rows_of_dust, 1.0))[index[0]], 0.0)
        followed = at.chi_square - each
        price = total((followed - values)[None], index[BETA_PL:], length)[0]
        far = jnp.abs(x[BETA_PL] - place) > BELOW
        return jnp.where(far & (price < FOLLOWED), place, jnp.nan)

    return jnp.stack([lift(share) for share in LIFTS])


def _lowest_around(price: Float[Array, " cluster"], index: Array) -> Float[Array, " cluster"]:
    """The lowest price among the beta_pl clusters that share a dust cluster with each."""
    length = price.shape[0]
    of_rows = price[index[BETA_PL]]
    around = [jax.ops.segment_min(of_rows, index[i], num_segments=length)[index[i]] for i in (0, 1)]
    lowest = jnp.minimum(*around)
    return jax.ops.segment_min(lowest, index[BETA_PL], num_segments=length)


def regions(
    moved: Bool[Array, " cluster"], index: Int[Array, "parameter row"]
) -> tuple[Int[Array, " row"], Int[Array, "parameter cluster"]]:
    """Which moved beta_pl cluster each row and each cluster belongs to; -1 is far from all."""
    length = moved.shape[0]
    own = jnp.where(moved, jnp.arange(length, dtype=jnp.int32), -1)
    of_clusters = [jnp.full(length, -1, jnp.int32), jnp.full(length, -1, jnp.int32), own]
    of_rows = own[index[BETA_PL]]
    for _ in range(_REACH):
        for i in range(3):
            reached = jax.ops.segment_max(of_rows, index[i], num_segments=length)
            of_clusters[i] = jnp.where(of_clusters[i] >= 0, of_clusters[i], reached)
        neighbours = jnp.stack([of_clusters[i][index[i]] for i in range(3)])
        of_rows = jnp.where(of_rows >= 0, of_rows, jnp.max(neighbours, axis=0))
    return of_rows, jnp.maximum(jnp.stack(of_clusters), -1)


def lower_regions(
    of_rows: Int[Array, " row"],
    candidates: Bool[Array, " cluster"],
    change: Float[Array, " row"],
    tolerance: Float[Array, " cluster"],
) -> Bool[Array, " cluster"]:
    """Those of `candidates` in whose region chi_square changed by less than -tolerance."""
    within = jnp.where(of_rows >= 0, change, 0.0)
    summed = jax.ops.segment_sum(within, jnp.maximum(of_rows, 0), num_segments=candidates.size)
    return candidates & (summed < -tolerance)


def among(
    of_clusters: Int[Array, "parameter cluster"], chosen: Bool[Array, " cluster"]
) -> Bool[Array, "parameter cluster"]:
    """Clusters that belong to the region of a chosen beta_pl cluster."""
    return (of_clusters >= 0) & chosen[jnp.maximum(of_clusters, 0)]
