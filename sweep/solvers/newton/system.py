"""The likelihood about a point, summed from rows into clusters, with the priors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Scalar

from sweep.problem.cells import Cells
from sweep.problem.derivatives import Derivatives
from sweep.problem.likelihood import held_by_box
from sweep.problem.sed import Spectral
from sweep.problem.vectors import diagonal
from sweep.solvers.newton.box import Box


class System(NamedTuple):
    """chi_square and the penalty of the priors about a point, per cluster.

    Attributes:
        gradient: shape (parameter, cluster).
        curvature: diagonal of the Hessian.
        gauss_newton: diagonal of the Gauss-Newton matrix.
        free: parameters that are not held by an end of their box.
        norm: largest free gradient in units of the root of its own curvature.
    """

    gradient: Spectral
    curvature: Spectral
    gauss_newton: Spectral
    free: Bool[Array, "parameter cluster"]
    norm: Scalar


def gather(values: Spectral, index: Int[Array, "parameter row"]) -> Float[Array, "parameter row"]:
    """Values of clusters at the rows."""
    return jnp.take_along_axis(values, index, axis=1)


def total(rows: Float[Array, "parameter row"], index: Array, length: int) -> Spectral:
    """Sums of the rows over the clusters, all parameters at once."""
    count = rows.shape[0]
    flat = index + length * jnp.arange(count, dtype=index.dtype)[:, None]
    sums = jax.ops.segment_sum(rows.reshape(-1), flat.reshape(-1), num_segments=count * length)
    return sums.reshape(count, length)


def assemble(at: Derivatives, x: Spectral, cells: Cells, box: Box) -> System:
    """Sum the rows into clusters, and add the priors."""
    length, index = x.shape[1], cells.flat_index
    gradient = total(at.gradient, index, length)
    own = np.array(diagonal(len(index)))
    curvature = total(at.hessian[own], index, length)
    gauss_newton = total(at.gauss_newton[own], index, length)
    if box.penalty is not None:
        of_prior = box.penalty.derivatives(x)
        gradient, curvature, gauss_newton = (
            of_data + known
            for of_data, known in zip((gradient, curvature, gauss_newton), of_prior, strict=True)
        )
    held = held_by_box(x, gradient, box.low, box.high) | (box.high <= box.low)
    slope = jnp.abs(gradient) * jax.lax.rsqrt(jnp.maximum(jnp.abs(curvature), box.least))
    norm = jnp.max(jnp.where(held, 0.0, slope))
    return System(gradient, curvature, gauss_newton, ~held, norm)
