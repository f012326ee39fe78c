"""The Newton step: beta_dust eliminated exactly, conjugate gradients for the rest.

The Hessian is the sum of the 3 x 3 blocks of the rows. Clusters of one parameter share no row, so
its three diagonal blocks are diagonal: eliminating beta_dust costs a division, and a product with
what is left (the Schur complement) two gathers and two sums over the rows. Nothing is assembled.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.derivatives import TRIANGLE, Derivatives
from sweep.problem.sed import Spectral

_PAIR = {pair: k for k, pair in enumerate(TRIANGLE)} | {
    (j, i): k for k, (i, j) in enumerate(TRIANGLE)
}
_DIAGONAL = jnp.array([_PAIR[i, i] for i in range(3)])

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
        norm: largest free gradient in units of the root of its own curvature.
    """

    gradient: Spectral
    curvature: Spectral
    gauss_newton: Spectral
    scale: Spectral
    free: Bool[Array, "parameter cluster"]
    norm: Scalar


class Step(NamedTuple):
    """A step inside the box, with the decrease of chi_square that its model predicts."""

    change: Spectral
    predicted: Scalar


def gather(values: Spectral, index: Int[Array, "parameter row"]) -> Float[Array, "parameter row"]:
    """Values of clusters at the rows."""
    return jnp.take_along_axis(values, index, axis=1)


def total(rows: Float[Array, "parameter row"], index: Array, length: int) -> Spectral:
    """Sums of the rows over the clusters, all parameters at once."""
    count = rows.shape[0]
    flat = index + length * jnp.arange(count, dtype=index.dtype)[:, None]
    sums = jax.ops.segment_sum(rows.reshape(-1), flat.reshape(-1), num_segments=count * length)
    return sums.reshape(count, length)


def assemble(at: Derivatives, x: Spectral, index: Array, box: Box) -> System:
    """Sum the rows into clusters."""
    length = x.shape[1]
    gradient = total(at.gradient, index, length)
    curvature = total(at.hessian[_DIAGONAL], index, length)
    least = (box.high - box.low) ** -2.0
    gauss_newton = total(at.gauss_newton[_DIAGONAL], index, length)
    held = ((x <= box.low) & (gradient > 0)) | ((x >= box.high) & (gradient < 0))
    slope = jnp.abs(gradient) * jnp.maximum(jnp.abs(curvature), least) ** -0.5
    norm = jnp.max(jnp.where(held, 0.0, slope))
    return System(gradient, curvature, gauss_newton, jnp.maximum(gauss_newton, least), ~held, norm)


class _Attempt(NamedTuple):
    """A step in the making: `fixed` parameters move by `change`, the others are solved for."""

    round: Int[Array, ""]
    convex: Bool[Array, ""]
    fixed: Bool[Array, "parameter cluster"]
    change: Spectral
    more: Bool[Array, ""]


def newton_step(
    at: Derivatives, system: System, x: Spectral, index: Array, box: Box, damping: Scalar
) -> Step:
    """Minimise the damped quadratic model within the box.

    Parameters that a solution takes out of the box are fixed at its end and the rest is solved for
    again. Where conjugate gradients meet negative curvature, the Gauss-Newton matrix takes the
    place of the Hessian.
    """
    lowest, highest = box.low - x, box.high - x
    tolerance = jnp.clip(system.norm, 1e-6, 1e-2)
    least = jnp.maximum(_WEAKEST * system.gauss_newton, _LEAST * (box.high - box.low) ** -2.0)

    def model(convex: Array) -> tuple[Array, Array]:
        coupling = jnp.where(convex, at.gauss_newton, at.hessian)
        diagonal = jnp.where(convex, system.gauss_newton, system.curvature)
        return coupling, jnp.maximum(diagonal, least) + damping * system.scale

    def attempt(a: _Attempt) -> _Attempt:
        coupling, diagonal = model(a.convex)
        moved = jnp.where(a.fixed & system.free, a.change, 0.0)
        free = system.free & ~a.fixed
        force = -system.gradient - total(_couple(coupling, gather(moved, index)), index, x.shape[1])
        solved, negative = _solve(coupling, diagonal, force, free, index, tolerance)
        negative &= ~a.convex
        change = jnp.where(free, solved, moved)
        out = free & ((change < lowest) | (change > highest))
        start_again = jnp.zeros_like(a.fixed)
        return _Attempt(
            round=a.round + 1,
            convex=a.convex | negative,
            fixed=jnp.where(negative, start_again, a.fixed | out),
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
    end = jax.lax.while_loop(lambda a: a.more & (a.round < _ROUNDS), attempt, start)
    coupling, _ = model(end.convex)
    at_rows = gather(end.change, index)
    diagonal = coupling[_DIAGONAL] * at_rows
    quadratic = jnp.vdot(at_rows, _couple(coupling, at_rows) + diagonal)
    predicted = -jnp.vdot(system.gradient, end.change) - 0.5 * quadratic
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
    coupling: Array, diagonal: Spectral, force: Spectral, free: Array, index: Array, rtol: Scalar
) -> tuple[Spectral, Bool[Array, ""]]:
    """Solve H y = force for the free parameters; also whether negative curvature was met."""
    length = diagonal.shape[1]
    inverse = jnp.where(free[0], 1.0 / diagonal[0], 0.0)
    a10, a20, a21 = (coupling[_PAIR[pair]] for pair in ((1, 0), (2, 0), (2, 1)))
    rest, rest_free = index[1:], free[1:]

    def from_beta_dust(y: Array) -> Array:
        at_rows = y[index[0]]
        return total(jnp.stack([a10 * at_rows, a20 * at_rows]), rest, length)

    def to_beta_dust(z: Array) -> Array:
        at_rows = gather(z, rest)
        summed = total((a10 * at_rows[0] + a20 * at_rows[1])[None], index[:1], length)
        return summed[0]

    def schur(z: Array) -> Array:
        at_rows = gather(z, rest)
        summed = total((a10 * at_rows[0] + a20 * at_rows[1])[None], index[:1], length)
        back = (summed[0] * inverse)[index[0]]
        coupled = jnp.stack([a21 * at_rows[1] - a10 * back, a21 * at_rows[0] - a20 * back])
        return jnp.where(rest_free, diagonal[1:] * z + total(coupled, rest, length), z)

    eliminated = total(jnp.stack([a10**2, a20**2]) * inverse[index[0]], rest, length)
    preconditioner = jnp.where(
        rest_free, diagonal[1:] - jnp.minimum(eliminated, 0.9 * diagonal[1:]), 1.0
    )
    residual = jnp.where(rest_free, force[1:] - from_beta_dust(force[0] * inverse), 0.0)
    z, negative = _conjugate_gradients(schur, residual, preconditioner, rtol)
    beta_dust = (force[0] - to_beta_dust(z)) * inverse
    return jnp.concatenate([beta_dust[None], z]), negative


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

    y = residual / preconditioner
    rho = jnp.vdot(residual, y)
    start = (jnp.zeros_like(residual), residual, y, rho, jnp.int32(0), jnp.bool_(False))
    end = jax.lax.while_loop(
        lambda s: (s[3] > rtol**2 * rho) & (s[4] < _CG_STEPS) & ~s[5], step, start
    )
    return end[0], end[5]
