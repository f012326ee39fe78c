"""The Newton step: beta_dust eliminated exactly, conjugate gradients for the rest.

The Hessian is the sum of the 3 x 3 blocks of the rows. Clusters of one parameter share no row, so
its three diagonal blocks are diagonal: eliminating beta_dust costs a division, and a product with
what is left (the Schur complement) two gathers and two sums over the rows. Nothing is assembled.

Islands (see `Cells`) have nothing to do with each other: each has its own damping, its own
conjugate gradients and its own prediction, so that none waits for what another cannot do.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweep.problem.cells import Cells
from sweep.problem.derivatives import DIAGONAL, TRIANGLE, Derivatives
from sweep.problem.likelihood import held_by_box
from sweep.problem.sed import Spectral

_PAIR = {pair: k for k, pair in enumerate(TRIANGLE)} | {
    (j, i): k for k, (i, j) in enumerate(TRIANGLE)
}

_ROUNDS = 8
"""Cap on the solutions of one step, each with the parameters fixed that left the box before."""

_CG_STEPS = 200

_WEAKEST = 0.1
"""A curvature below this share of the Gauss-Newton one is raised to it."""

_LEAST = 1e-6
"""And one below this share of what the width of the box gives, where the data say nothing."""


class Box(NamedTuple):
    """Ends of the box in internal coordinates, shape (parameter, cluster)."""

    low: Spectral
    high: Spectral


class System(NamedTuple):
    """chi_square about a point, per cluster.

    Attributes:
        gradient: shape (parameter, cluster).
        curvature: diagonal of the Hessian.
        gauss_newton: diagonal of the Gauss-Newton matrix.
        scale: the same, never below what the width of the box gives, which is all that a parameter
            has that the data do not constrain.
        free: parameters that are not held by an end of their box.
        norm: largest free gradient in units of the root of its own curvature, shape (island,).
    """

    gradient: Spectral
    curvature: Spectral
    gauss_newton: Spectral
    scale: Spectral
    free: Bool[Array, "parameter cluster"]
    norm: Float[Array, " island"]


class Step(NamedTuple):
    """A step inside the box, with the decrease of chi_square that its model predicts."""

    change: Spectral
    predicted: Float[Array, " island"]


def gather(values: Spectral, index: Int[Array, "parameter row"]) -> Float[Array, "parameter row"]:
    """Values of clusters at the rows."""
    return jnp.take_along_axis(values, index, axis=1)


def total(rows: Float[Array, "parameter row"], index: Array, length: int) -> Spectral:
    """Sums of the rows over the clusters, all parameters at once."""
    count = rows.shape[0]
    flat = index + length * jnp.arange(count, dtype=index.dtype)[:, None]
    sums = jax.ops.segment_sum(rows.reshape(-1), flat.reshape(-1), num_segments=count * length)
    return sums.reshape(count, length)


def by_island(rows: Float[Array, " row"], cells: Cells) -> Float[Array, " island"]:
    """Sums of the rows over the islands."""
    return jax.ops.segment_sum(rows, cells.island_of_rows, num_segments=cells.islands)


def islands_of(rows: Bool[Array, " row"], cells: Cells) -> Bool[Array, " island"]:
    """Islands that any of the rows belong to."""
    return jnp.zeros(cells.islands, bool).at[cells.island_of_rows].max(rows)


def assemble(at: Derivatives, x: Spectral, cells: Cells, box: Box) -> System:
    """Sum the rows into clusters."""
    length, index = x.shape[1], cells.flat_index
    gradient = total(at.gradient, index, length)
    curvature = total(at.hessian[DIAGONAL], index, length)
    least = 1.0 / jnp.square(box.high - box.low)
    gauss_newton = total(at.gauss_newton[DIAGONAL], index, length)
    held = held_by_box(x, gradient, box.low, box.high)
    slope = jnp.abs(gradient) * jax.lax.rsqrt(jnp.maximum(jnp.abs(curvature), least))
    worst = jnp.max(gather(jnp.where(held, 0.0, slope), index), axis=0)
    norm = jax.ops.segment_max(worst, cells.island_of_rows, num_segments=cells.islands)
    scale = jnp.maximum(gauss_newton, least)
    return System(gradient, curvature, gauss_newton, scale, ~held, jnp.maximum(norm, 0.0))


class _Attempt(NamedTuple):
    """A step in the making: `fixed` parameters move by `change`, the others are solved for."""

    round: Int[Array, ""]
    convex: Bool[Array, " island"]
    fixed: Bool[Array, "parameter cluster"]
    change: Spectral
    more: Bool[Array, " island"]


def newton_step(
    at: Derivatives,
    system: System,
    x: Spectral,
    cells: Cells,
    box: Box,
    damping: Float[Array, " island"],
) -> Step:
    """Minimise the damped quadratic model within the box.

    Parameters that a solution takes out of the box are fixed at its end and the rest of their
    island is solved for again. Where conjugate gradients meet negative curvature, the Gauss-Newton
    matrix takes the place of the Hessian.
    """
    index, of_rows, of_clusters = cells.flat_index, cells.island_of_rows, cells.island
    lowest, highest = box.low - x, box.high - x
    tolerance = jnp.clip(system.norm, 1e-6, 1e-2)
    least_of_box = _LEAST / jnp.square(box.high - box.low)
    least = jnp.maximum(_WEAKEST * system.gauss_newton, least_of_box)
    damped = damping[of_clusters] * system.scale

    def model(convex: Array) -> tuple[Array, Array]:
        coupling = jnp.where(convex[of_rows], at.gauss_newton, at.hessian)
        diagonal = jnp.where(convex[of_clusters], system.gauss_newton, system.curvature)
        return coupling, jnp.maximum(diagonal, least) + damped

    def attempt(a: _Attempt) -> _Attempt:
        coupling, diagonal = model(a.convex)
        again = a.more[of_clusters]
        moved = jnp.where((a.fixed | ~again) & system.free, a.change, 0.0)
        free = system.free & ~a.fixed & again
        force = -system.gradient - total(_couple(coupling, gather(moved, index)), index, x.shape[1])
        solved, negative = _solve(coupling, diagonal, force, free, cells, tolerance)
        negative &= ~a.convex
        change = jnp.where(free, solved, moved)
        out = free & ((change < lowest) | (change > highest))
        left = islands_of(jnp.any(gather(out, index), axis=0), cells)
        afresh = negative[of_clusters]
        return _Attempt(
            round=a.round + 1,
            convex=a.convex | negative,
            fixed=(a.fixed | out) & ~afresh,
            change=jnp.where(afresh, 0.0, jnp.clip(change, lowest, highest)),
            more=negative | left,
        )

    nobody = jnp.zeros(cells.islands, bool)
    start = _Attempt(
        round=jnp.int32(0),
        convex=nobody,
        fixed=jnp.zeros_like(system.free),
        change=jnp.zeros_like(x),
        more=~nobody,
    )
    end = jax.lax.while_loop(lambda a: jnp.any(a.more) & (a.round < _ROUNDS), attempt, start)
    coupling, _ = model(end.convex)
    at_rows = gather(end.change, index)
    half = 0.5 * (_couple(coupling, at_rows) + coupling[DIAGONAL] * at_rows)
    predicted = -by_island(jnp.sum(at_rows * (at.gradient + half), axis=0), cells)
    return Step(end.change, predicted)


def _couple(coupling: Array, v: Float[Array, "parameter row"]) -> Float[Array, "parameter row"]:
    """Off-diagonal part of the 3 x 3 blocks times a vector, row by row."""
    a = {pair: coupling[k] for pair, k in _PAIR.items()}
    return jnp.stack(
        [
            a[1, 0] * v[1] + a[2, 0] * v[2],
            a[1, 0] * v[0] + a[2, 1] * v[2],
            a[2, 0] * v[0] + a[2, 1] * v[1],
        ]
    )


def _solve(
    coupling: Array,
    diagonal: Spectral,
    force: Spectral,
    free: Array,
    cells: Cells,
    rtol: Float[Array, " island"],
) -> tuple[Spectral, Bool[Array, " island"]]:
    """Solve H y = force for the free parameters; also which islands met negative curvature."""
    index, length = cells.flat_index, diagonal.shape[1]
    short = cells.lengths[1]  # of the axes of temp_dust and beta_pl
    inverse = jnp.where(free[0], 1.0 / diagonal[0], 0.0)
    a10, a20, a21 = (coupling[_PAIR[pair]] for pair in ((1, 0), (2, 0), (2, 1)))
    rest, rest_free, rest_diagonal = index[1:], free[1:, :short], diagonal[1:, :short]

    def from_beta_dust(y: Array) -> Array:
        at_rows = y[index[0]]
        return total(jnp.stack([a10 * at_rows, a20 * at_rows]), rest, short)

    def to_beta_dust(at_rows: Array) -> Array:
        summed = total((a10 * at_rows[0] + a20 * at_rows[1])[None], index[:1], length)
        return summed[0]

    def schur(z: Array) -> Array:
        at_rows = gather(z, rest)
        of_dust = (inverse * to_beta_dust(at_rows))[index[0]]
        products = jnp.stack([a21 * at_rows[1] - a10 * of_dust, a21 * at_rows[0] - a20 * of_dust])
        return jnp.where(rest_free, rest_diagonal * z + total(products, rest, short), 0.0)

    eliminated = total(jnp.stack([a10**2, a20**2]) * inverse[index[0]], rest, short)
    preconditioner = jnp.where(
        rest_free, rest_diagonal - jnp.minimum(eliminated, 0.9 * rest_diagonal), 1.0
    )
    residual = force[1:, :short] - from_beta_dust(force[0] * inverse)
    z, negative = _conjugate_gradients(
        schur, jnp.where(rest_free, residual, 0.0), preconditioner, rtol, cells.island[1:, :short]
    )
    beta_dust = (force[0] - to_beta_dust(gather(z, rest))) * inverse
    padded = jnp.pad(z, ((0, 0), (0, length - short)))
    return jnp.concatenate([beta_dust[None], padded]), negative


def _conjugate_gradients(
    product: Callable[[Array], Array],
    residual: Array,
    preconditioner: Array,
    rtol: Float[Array, " island"],
    island: Int[Array, "parameter cluster"],
) -> tuple[Array, Bool[Array, " island"]]:
    """Solve to a preconditioned residual of rtol; stop where the curvature is not positive."""

    def dot(a: Array, b: Array) -> Float[Array, " island"]:
        return jax.ops.segment_sum((a * b).ravel(), island.ravel(), num_segments=rtol.size)

    def unsolved(rho: Array, negative: Array) -> Bool[Array, " island"]:
        return (rho > enough) & ~negative

    def step(state: tuple) -> tuple:
        z, r, p, rho, count, negative = state
        q = product(p)
        curvature = dot(p, q)
        going = unsolved(rho, negative)
        negative |= going & (curvature <= 0)
        going &= ~negative
        alpha = jnp.where(going, rho / jnp.where(going, curvature, 1.0), 0.0)[island]
        z, r = z + alpha * p, r - alpha * q
        y = r / preconditioner
        following = jnp.where(going, dot(r, y), rho)
        ratio = jnp.where(going, following / jnp.where(going, rho, 1.0), 0.0)[island]
        return z, r, y + ratio * p, following, count + 1, negative

    y = residual / preconditioner
    rho = dot(residual, y)
    enough = rtol**2 * rho
    nobody = jnp.zeros(rtol.size, bool)
    start = (jnp.zeros_like(residual), residual, y, rho, jnp.int32(0), nobody)
    end = jax.lax.while_loop(
        lambda s: jnp.any(unsolved(s[3], s[5])) & (s[4] < _CG_STEPS), step, start
    )
    return end[0], end[5]
