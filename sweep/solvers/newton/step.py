"""The Newton step: one parameter eliminated exactly, conjugate gradients for the rest.

The Hessian is the sum of small blocks, one a row, of all pairs of parameters. Clusters of one
parameter share no row, so its blocks on the diagonal are diagonal: eliminating the parameter with
most clusters costs a division, and a product with what is left (the Schur complement) two gathers
and two sums over the rows. Nothing is assembled.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.cells import Cells
from sweep.problem.derivatives import Derivatives
from sweep.problem.inverse import sum_of
from sweep.problem.sed import Spectral
from sweep.problem.vectors import place
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.constants import CONSTANTS
from sweep.solvers.newton.system import System, gather, total


class Step(NamedTuple):
    """A step inside the box, with the decrease that its model predicts."""

    change: Spectral
    predicted: Scalar


class _Attempt(NamedTuple):
    """A step in the making: `fixed` parameters move by `change`, the others are solved for."""

    round: Int[Array, ""]
    convex: Bool[Array, ""]
    fixed: Bool[Array, "parameter cluster"]
    change: Spectral
    more: Bool[Array, ""]


def newton_step(
    at: Derivatives, system: System, x: Spectral, cells: Cells, box: Box, damping: Scalar
) -> Step:
    """Minimise the damped quadratic model within the box.

    Parameters that a solution takes out of the box are fixed at its end and the rest is solved for
    again. Where conjugate gradients meet negative curvature, the Gauss-Newton matrix takes the
    place of the Hessian.
    """
    index = cells.flat_index
    lowest, highest = box.low - x, box.high - x
    tolerance = jnp.clip(system.norm, CONSTANTS.tightest_cg, CONSTANTS.loosest_cg)
    least = jnp.maximum(
        CONSTANTS.weak_gauss_newton * system.gauss_newton, CONSTANTS.weak_box * box.least
    )
    # of a parameter that the data do not constrain, all that is known is the width of its box
    damped_by = damping * jnp.maximum(system.gauss_newton, box.least)

    def model(convex: Array) -> tuple[Array, Array]:
        coupling = jnp.where(convex, at.gauss_newton, at.hessian)
        return coupling, jnp.where(convex, system.gauss_newton, system.curvature)

    def attempt(a: _Attempt) -> _Attempt:
        coupling, diagonal = model(a.convex)
        damped = jnp.maximum(diagonal, least) + damped_by
        moved = jnp.where(a.fixed & system.free, a.change, 0.0)
        free = system.free & ~a.fixed
        force = -system.gradient - total(_couple(coupling, gather(moved, index)), index, x.shape[1])
        solved, negative = _solve(coupling, damped, force, free, cells, tolerance)
        negative &= ~a.convex
        change = jnp.where(free, solved, moved)
        out = free & ((change < lowest) | (change > highest))
        return _Attempt(
            round=a.round + 1,
            convex=a.convex | negative,
            fixed=(a.fixed | out) & ~negative,
            change=jnp.where(negative, 0.0, jnp.clip(change, lowest, highest)),
            more=negative | jnp.any(out),
        )

    start = _Attempt(
        round=jnp.int32(0),
        convex=jnp.bool_(False),
        fixed=jnp.zeros_like(system.free),
        change=jnp.zeros_like(x),
        more=jnp.bool_(True),
    )
    end = jax.lax.while_loop(lambda a: a.more & (a.round < CONSTANTS.solutions), attempt, start)
    coupling, diagonal = model(end.convex)
    at_rows = gather(end.change, index)
    of_pairs = 0.5 * jnp.sum(at_rows * _couple(coupling, at_rows))
    alone = jnp.sum(end.change * (system.gradient + 0.5 * diagonal * end.change))
    return Step(end.change, -of_pairs - alone)


def _couple(coupling: Array, v: Float[Array, "parameter row"]) -> Float[Array, "parameter row"]:
    """Off-diagonal part of the blocks times a vector, row by row."""
    every = range(len(v))
    if len(every) == 1:
        return jnp.zeros_like(v)
    return jnp.stack([sum_of(coupling[place(i, j)] * v[j] for j in every if j != i) for i in every])


def _solve(
    coupling: Array,
    diagonal: Spectral,
    force: Spectral,
    free: Array,
    cells: Cells,
    rtol: Scalar,
) -> tuple[Spectral, Bool[Array, ""]]:
    """Solve H y = force for the free parameters; also whether negative curvature was met."""
    index, length, most = cells.flat_index, diagonal.shape[1], cells.most
    others = [i for i in range(len(index)) if i != most]
    inverse = jnp.where(free[most], 1.0 / diagonal[most], 0.0)
    if not others:
        return (force[most] * inverse)[None], jnp.bool_(False)
    short = cells.lengths[others[0]]  # they have axes of one length
    of_most = jnp.stack([coupling[place(i, most)] for i in others])
    rest, rest_free, rest_diagonal, rest_force = (
        _without(part, most) for part in (index, free, diagonal, force)
    )
    rest_free, rest_diagonal, rest_force = (
        part[:, :short] for part in (rest_free, rest_diagonal, rest_force)
    )

    def from_most(y: Array) -> Array:
        return total(of_most * y[index[most]], rest, short)

    def to_most(at_rows: Array) -> Array:
        products = sum_of(a * v for a, v in zip(of_most, at_rows, strict=True))
        return total(products[None], index[most : most + 1], length)[0]

    def schur(z: Array) -> Array:
        at_rows = gather(z, rest)
        taken = (inverse * to_most(at_rows))[index[most]]
        products = [
            sum_of(
                [coupling[place(i, j)] * at_rows[n] for n, j in enumerate(others) if j != i]
                + [-of_most[m] * taken]
            )
            for m, i in enumerate(others)
        ]
        return jnp.where(
            rest_free, rest_diagonal * z + total(jnp.stack(products), rest, short), 0.0
        )

    eliminated = total(of_most**2 * inverse[index[most]], rest, short)
    preconditioner = jnp.where(
        rest_free,
        rest_diagonal - jnp.minimum(eliminated, CONSTANTS.most_eliminated * rest_diagonal),
        1.0,
    )
    residual = rest_force - from_most(force[most] * inverse)
    z, negative = _conjugate_gradients(
        schur, jnp.where(rest_free, residual, 0.0), preconditioner, rtol
    )
    eliminated_change = (force[most] - to_most(gather(z, rest))) * inverse
    padded = jnp.pad(z, ((0, 0), (0, length - short)))
    parts = (padded[:most], eliminated_change[None], padded[most:])
    return jnp.concatenate(parts), negative


def _without(values: Array, i: int) -> Array:
    """All rows but one."""
    return values[1:] if i == 0 else jnp.concatenate([values[:i], values[i + 1 :]])


def _conjugate_gradients(
    product: Callable[[Array], Array], residual: Array, preconditioner: Array, rtol: Scalar
) -> tuple[Array, Bool[Array, ""]]:
    """Solve to a preconditioned residual of rtol; stop where the curvature is not positive."""

    def step(state: tuple) -> tuple:
        z, r, p, rho, count, _ = state
        q = product(p)
        curvature = jnp.vdot(p, q)
        negative = curvature <= 0
        alpha = jnp.where(negative, 0.0, rho / jnp.where(negative, 1.0, curvature))
        z, r = z + alpha * p, r - alpha * q
        y = r / preconditioner
        following = jnp.vdot(r, y)
        return z, r, y + following / rho * p, following, count + 1, negative

    def is_unsolved(state: tuple) -> Bool[Array, ""]:
        *_, rho, count, negative = state
        return (rho > enough) & ~negative & (count < CONSTANTS.cg_steps)

    y = residual / preconditioner
    rho = jnp.vdot(residual, y)
    enough = rtol**2 * rho
    start = (jnp.zeros_like(residual), residual, y, rho, jnp.int32(0), jnp.bool_(False))
    end = jax.lax.while_loop(is_unsolved, step, start)
    return end[0], end[5]
