"""The scan: what every cluster could gain over its whole box, the others as they are.

Clusters of one parameter share no row, so all of them are scanned at once.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.model import SkyModel
from sweep.problem.cells import Cells, Rows
from sweep.problem.derivatives import products, row_values
from sweep.problem.inverse import element, inverse_of, sum_of
from sweep.problem.sed import Spectral, SpectralProblem, Tables, tables
from sweep.problem.vectors import triangle
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.system import gather, total
from sweep.solvers.newton.varied import varied_column


class Scan(NamedTuple):
    """What single clusters can do.

    Attributes:
        jumped: the point with all jumps that go lower and touch no other jump.
        jumps: number of them.
    """

    jumped: Spectral
    jumps: Int[Array, ""]


def scan(
    problem: SpectralProblem,
    rows: Rows,
    x: Spectral,
    values: Float[Array, " row"],
    box: Box,
    nodes: int,
    tolerance: Scalar,
) -> Scan:
    """Try `nodes` values in the box for every cluster, and the best minimum between them.

    Args:
        problem: the likelihood.
        rows: one realisation.
        x: the point.
        values: chi_square of the rows at `x`.
        box: the box; its ends are nodes.
        nodes: number of nodes.
        tolerance: a jump goes lower by more than this.
    """
    share = jnp.linspace(0.0, 1.0, nodes, dtype=x.dtype)
    # the nodes of every cluster are those of the first: boxes are one a parameter
    low, high = box.low[:, :1], box.high[:, :1]
    places = jnp.clip(low + share * (high - low), low, high)
    goal, gain = x, jnp.zeros_like(x)
    for i, length in enumerate(problem.cells.lengths):
        here = x[i, :length]
        rise = _rise(problem, rows, x, values, places, i)[:length]
        if box.penalty is not None:
            at_nodes = [box.rise(x, x.at[i].set(place))[i, :length] for place in places[i]]
            rise += jnp.stack(at_nodes, axis=1)
        place, estimate, at_node = _lowest_elsewhere(places[i], rise, here)
        to = x.at[i, :length].set(place)
        index = problem.cells.flat_index[i][None]
        exact = total((row_values(problem, rows, to) - values)[None], index, length)[0]
        exact += box.rise(x, to)[i, :length]
        use_node = ~(jnp.isfinite(estimate) & (exact <= at_node[1]))
        goal = goal.at[i, :length].set(jnp.where(use_node, at_node[0], place))
        gain = gain.at[i, :length].set(jnp.where(use_node, at_node[1], exact))
    jump = _apart(gain < -tolerance, gain, problem.cells.flat_index)
    jumped = jnp.where(jump, jnp.clip(goal, box.low, box.high), x)
    return Scan(jumped, jnp.sum(jump, dtype=jnp.int32))


def _beside(nodes: Array, x: Array) -> Bool[Array, "cluster node"]:
    """Whether a node is next to where the cluster is: a minimum there is its own."""
    return jnp.abs(nodes - x[:, None]) < nodes[1] - nodes[0]


def _local_minima(nodes: Array, rise: Array, x: Array) -> Bool[Array, "cluster node"]:
    """Nodes below their neighbours, ends included, that are not the cluster's own minimum."""
    fence = jnp.full_like(rise[:, :1], jnp.inf)
    left = jnp.concatenate([fence, rise[:, :-1]], axis=1)
    right = jnp.concatenate([rise[:, 1:], fence], axis=1)
    return (rise <= left) & (rise <= right) & ~_beside(nodes, x)


def _lowest_elsewhere(
    nodes: Float[Array, " node"], rise: Float[Array, "cluster node"], x: Float[Array, " cluster"]
) -> tuple[Array, Array, tuple[Array, Array]]:
    """The deepest other minimum by parabolas through three nodes: its place and estimated depth.

    Also place and depth of the lowest other node, which is exact.
    """
    left, middle, right = rise[:, :-2], rise[:, 1:-1], rise[:, 2:]
    bend = left - 2.0 * middle + right
    convex = bend > 0
    slope = 0.5 * (left - right)
    shift = jnp.where(convex, slope / jnp.where(convex, bend, 1.0), 0.0)
    depth = jnp.where(convex, middle - 0.5 * slope * shift, middle)
    estimate = jnp.where(_local_minima(nodes, rise, x)[:, 1:-1], depth, jnp.inf)
    best = jnp.argmin(estimate, axis=1)
    cluster = jnp.arange(x.shape[0])
    spacing = nodes[1] - nodes[0]
    place = nodes[1 + best] + jnp.clip(shift[cluster, best], -1.0, 1.0) * spacing
    others = jnp.where(_beside(nodes, x), jnp.inf, rise)
    node = jnp.argmin(others, axis=1)
    return place, estimate[cluster, best], (nodes[node], others[cluster, node])


def _apart(jump: Array, gain: Array, index: Array) -> Bool[Array, "parameter cluster"]:
    """Keep the jumps that are the best of every row they touch, so that their gains add up."""
    wish = jnp.where(jump, gain, 0.0)
    of_rows = gather(wish, index)
    best = jnp.min(of_rows, axis=0)
    spoilt = total((of_rows > best).astype(gain.dtype), index, gain.shape[1])
    return jump & (spoilt == 0)


def _rise(
    problem: SpectralProblem,
    rows: Rows,
    x: Spectral,
    values: Array,
    nodes: Float[Array, "parameter node"],
    parameter: int,
) -> Float[Array, "cluster node"]:
    """chi_square of every cluster of one parameter at the nodes, less where it is."""
    t, at_nodes = tables(problem, x), tables(problem, nodes)
    cells, model = problem.cells, problem.model
    values = values.reshape(rows.power.shape)

    def of_tile(tile: Array) -> Array:
        return _tile_values(model, cells, t, at_nodes, rows, tile, parameter) - values[tile]

    clusters = cells.flat_index[parameter]
    return jax.ops.segment_sum(cells.over_tiles(of_tile).T, clusters, num_segments=x.shape[1])


def _tile_values(
    model: SkyModel,
    cells: Cells,
    t: Tables,
    at_nodes: Tables,
    rows: Rows,
    tile: Array,
    parameter: int,
) -> Float[Array, "node row"]:
    """chi_square of the rows of a tile at every node.

    The other columns explain m^T C m of the data, and the varied column v, less its part along
    them, what it has left.
    """
    index, data = cells.index[:, tile], rows.data[tile]
    column = model.component_of[parameter]
    others = [c for i, c in enumerate(t.columns(model, index)) if i != column]
    table, every, basis = at_nodes.factors[parameter].value, range(len(others)), t.known(index)
    varied = varied_column(t, table, t.factors_of(model, column, index, (parameter,)))
    along = [varied.with_known(b) if b.ndim == 1 else varied.with_rows(b) for b in basis]
    vv = varied.power()
    for a in along:
        vv = vv - a**2

    of_others = [
        [known @ other if known.ndim == 1 else jnp.sum(known * other, axis=0) for known in basis]
        for other in others
    ]
    vo = [
        varied.with_rows(other) - sum_of(a * b for a, b in zip(along, of_other, strict=True))
        for other, of_other in zip(others, of_others, strict=True)
    ]
    gram = {
        (i, j): jnp.sum(others[i] * others[j], axis=0)
        - sum_of(a * b for a, b in zip(of_others[i], of_others[j], strict=True))
        for i, j in triangle(len(others))
    }
    if cells.form == "cells":
        seen = products(rows.data, tile, jnp.stack(others)) if others else []
        m_oo = {(i, j): jnp.sum(others[j] * seen[i], axis=0) for i, j in gram}
        m_vo = [varied.with_rows(one) for one in seen]
        m_vv = varied.seen_by(rows.data, tile)
    else:
        stokes = range(data.shape[1])
        y = [jnp.sum(other[:, None] * data, axis=0) for other in others]
        y_v = [varied.with_rows(data[:, s]) for s in stokes]
        m_oo = {(i, j): jnp.sum(y[i] * y[j], axis=0) for i, j in gram}
        m_vo = [sum_of(y_v[s] * one[s] for s in stokes) for one in y]
        m_vv = sum_of(y_v[s] ** 2 for s in stokes)
    value, left, seen_left = rows.power[tile], vv, m_vv
    if others:
        c = partial(element, inverse_of(gram, len(others)))
        m = partial(element, m_oo)
        value = value - sum_of(c(i, j) * m(i, j) for i in every for j in every)
        share = [sum_of(c(i, j) * vo[j] for j in every) for i in every]
        left = vv - sum_of(a * b for a, b in zip(share, vo, strict=True))
        seen_left = m_vv - sum_of(
            share[i] * (2.0 * m_vo[i] - sum_of(share[j] * m(i, j) for j in every)) for i in every
        )
    return value - seen_left / left
