"""The scan: what every cluster could gain over its whole box, the others as they are.

Clusters of one parameter share no row, so all of them are scanned at once. For one parameter the
varied column is a table over the nodes times a factor of the row: the products with the data of
all rows and all nodes are one matrix product.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.cells import Cells, Rows
from sweep.problem.derivatives import products, row_values
from sweep.problem.sed import Spectral, SpectralProblem, Tables, tables
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.system import gather, total


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
    cells = problem.cells
    values = values.reshape(rows.power.shape)

    def of_tile(tile: Array) -> Array:
        return _tile_values(cells, t, at_nodes, rows, tile, parameter) - values[tile]

    clusters = cells.flat_index[parameter]
    return jax.ops.segment_sum(cells.over_tiles(of_tile).T, clusters, num_segments=x.shape[1])


def _tile_values(
    cells: Cells, t: Tables, at_nodes: Tables, rows: Rows, tile: Array, parameter: int
) -> Float[Array, "node row"]:
    """chi_square of the rows of a tile at every node."""
    index, data = cells.index[:, tile], rows.data[tile]
    cmb = t.cmb / jnp.linalg.norm(t.cmb)
    dust, planck = t.power[index[0]].T, t.planck[index[1]].T
    synchrotron = t.synchrotron[index[2]].T
    # the varied column is table[node] * factor[row]
    table, factor, other = (
        (at_nodes.power, planck, synchrotron),
        (at_nodes.planck, dust, synchrotron),
        (at_nodes.synchrotron, None, dust * planck),
    )[parameter]
    along_other = cmb @ other
    if factor is None:  # one for every row; products with ones XLA gets wrong (jaxlib 0.10.2, CPU)
        along, power_of = (table @ cmb)[:, None], jnp.sum(table**2, axis=1)[:, None]
        vv = power_of - along**2
        factor = jnp.ones((cmb.size, 1), cmb.dtype)
    else:
        along = (table * cmb) @ factor
        vv = table**2 @ factor**2 - along**2
    vo = table @ (factor * other) - along * along_other
    oo = jnp.sum(other**2, axis=0) - along_other**2
    if cells.form == "cells":
        seen = products(rows.data, tile, other[None])[0]
        m_oo = jnp.sum(other * seen, axis=0)
        m_vo = table @ (factor * seen)
        f, g = np.triu_indices(cmb.size)  # what is beyond the diagonal counts twice
        squares = table[:, f] * table[:, g] * np.where(f == g, 1.0, 2.0)
        m_vv = squares @ (data[f, g] * factor[f] * factor[g])
    else:
        y = jnp.sum(other[:, None] * data, axis=0)
        m_oo = jnp.sum(y**2, axis=0)
        y_v = [table @ (factor * data[:, stokes]) for stokes in (0, 1)]
        m_vo = y_v[0] * y[0] + y_v[1] * y[1]
        m_vv = y_v[0] ** 2 + y_v[1] ** 2
    return rows.power[tile] - (oo * m_vv - 2.0 * vo * m_vo + vv * m_oo) / (vv * oo - vo**2)
