"""The hop: synchrotron clusters tried far away, with everything around them free to follow.

A scan holds all other clusters still, and misses minima in which dust takes another value too. A
hop moves every weakly constrained beta_pl cluster at once, descends for a few steps, and keeps the
regions of the sky that ended lower: regions that moved apart from each other are judged apart.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.sed import Spectral
from sweep.solvers.newton.scan import BETA_PL, Scan, local_minima
from sweep.solvers.newton.system import System

VALLEY = 40.0
"""A hop is tried to another minimum of a cluster, the others held, if it is higher by less."""

SHELF, MARGIN = 6.0, 0.5
"""Or to where chi_square rises by less than the first, and should by the second more than that."""

FAR, GENTLE = 1.0, 3.0
"""A cluster with neither is tried farther away than the first, where it rises by less than the
second; one that is farther than the first from where most are is tried towards them at any price,
for dust with few pixels a cluster may have followed it there."""

HOPS = 3
"""Number of hops from a minimum: see `alternatives`."""

_REACH = 3
"""A region reaches this many shared clusters away from what moved."""


def alternatives(
    x: Spectral, scanned: Scan, system: System, index: Int[Array, "parameter row"]
) -> Float[Array, "try cluster"]:
    """Where to try each beta_pl cluster, hop by hop; NaN where there is nothing to try.

    On either side that is the lowest valley, or else the far end of a shelf: where chi_square is
    lower than the curvature at the minimum would have it. Neighbours take turns, the more
    promising first: two that dust clusters join would spoil each other's hop. Last comes the
    other side, or what `_away` finds.
    """
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
    away = _away(nodes, rise, here, seen[:, 0])
    last = jnp.where(jnp.isnan(second), away, second)
    turns = [jnp.where(leads, first, jnp.nan), jnp.where(leads, jnp.nan, first), last]
    return jnp.pad(jnp.stack(turns), ((0, 0), (0, length - count)), constant_values=jnp.nan)


def _away(
    nodes: Float[Array, " node"],
    rise: Float[Array, "cluster node"],
    here: Float[Array, " cluster"],
    seen: Bool[Array, " cluster"],
) -> Float[Array, " cluster"]:
    """The lowest node that is `FAR` away: towards the usual value, or up from near it."""
    usual = jnp.nanmedian(jnp.where(seen, here, jnp.nan))
    astray = jnp.abs(here - usual) > FAR
    side = jnp.where(astray, jnp.sign(usual - here), 1.0)
    along = (nodes - here[:, None]) * side[:, None]
    end = jnp.where(astray, jnp.abs(usual - here) + nodes[1] - nodes[0], jnp.inf)
    beyond = jnp.where((along > FAR) & (along < end[:, None]), rise, jnp.inf)
    least = jnp.min(beyond, axis=1)
    tried = seen & jnp.isfinite(least) & (astray | (least < GENTLE))
    return jnp.where(tried, nodes[jnp.argmin(beyond, axis=1)], jnp.nan)


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
    of_rows: Int[Array, " row"], candidates: Array, change: Float[Array, " row"], tolerance: Scalar
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
