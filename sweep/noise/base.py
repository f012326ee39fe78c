"""What a kind of noise is to everything else: draws, and the covariance of every pixel."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sweep.types import Draw, FrequencyMaps

Root = Float[Any, "band part pixel"]
"""Cholesky factors L of the covariance of Stokes parameters in every pixel.

One band stands for all of them. One part is a standard deviation of all Stokes parameters, more
are the lower triangle, row by row: QQ, UQ, UU.
"""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise in the kept pixels, independent from pixel to pixel as far as the likelihood knows.

    Band f has the covariance sigma_f^2 L L^T in a pixel.

    Attributes:
        draw: of a realisation; None where none is added.
        sigma: standard deviation that scales a band, uK_CMB, shape (frequency,).
        root: the L of every pixel, relative to `sigma`, NaN where it is not known; None where all
            are 1.
        spectrum: N_l of E and of B where noise is not white, uK_CMB^2, shape (frequency,
            multipole); None where it is.
    """

    draw: Draw | None
    sigma: Float[np.ndarray, " frequency"]
    root: Root | None
    spectrum: Float[np.ndarray, "frequency multipole"] | None


def stokes_count(parts: int) -> int:
    """How many Stokes parameters a triangle of so many parts is of; 1 stands for any number."""
    return round((np.sqrt(8 * parts + 1) - 1) / 2)


def coloured(root: Root, unit: FrequencyMaps) -> FrequencyMaps:
    """L of every pixel times maps, shape (frequency, stokes, pixel)."""
    if root.shape[1] == 1:
        return root * unit
    rows, first = [], 0
    for s in range(stokes_count(root.shape[1])):
        rows.append(jnp.sum(root[:, first : first + s + 1] * unit[:, : s + 1], axis=1))
        first += s + 1
    return jnp.stack(rows, axis=1)


def matrices(root: Root) -> Float[Any, "band pixel stokes stokes"]:
    """The L as matrices."""
    count = stokes_count(root.shape[1])
    full = np.zeros((root.shape[0], root.shape[2], count, count))
    full[:, :, *np.tril_indices(count)] = np.moveaxis(root, 1, 2)
    return full


def triangle_of(matrix: Float[Any, "*band pixel stokes stokes"]) -> Float[Any, "*band part pixel"]:
    """The lower triangles of matrices, as `Root` has them."""
    return np.moveaxis(matrix[..., *np.tril_indices(matrix.shape[-1])], -1, -2)
