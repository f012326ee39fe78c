"""How the noise of pixels differs, and what whitens their maps.

Noise of the covariance sigma_f^2 C_p, with one matrix C_p of Stokes parameters for all bands, is
white once every pixel is multiplied by L^-1, where C_p = L L^T. The mixing matrix is that of all
Stokes parameters, so L^-1 times the data are data of L^-1 times the amplitudes: columns, cells
and the recovered components stay what they are. Where bands differ in their patterns, pixels are in
classes with a weight of every band each, and cells hold pixels of one class.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweep.types import FrequencyMaps


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PixelWeights:
    """Noise of pixels, relative to `SpectralProblem.inverse_sigma`.

    Attributes:
        stokes: the lower triangle of L^-1 of every pixel, row by row, shape (part, pixel); one part
            is the same for all Stokes parameters. None where all pixels are alike.
        bands: relative weight of the bands in every class, shape (class, frequency); None where
            all pixels weigh bands alike.
        label: class of every pixel, shape (pixel,); None where there are none.
    """

    stokes: Float[Array, "part pixel"] | None
    bands: Float[Array, "class frequency"] | None
    label: Int[Array, " pixel"] | None


def whitened(
    inverse_sigma: Float[Array, " frequency"], weights: PixelWeights | None, maps: FrequencyMaps
) -> FrequencyMaps:
    """Maps over the standard deviation of their noise."""
    scaled = inverse_sigma[:, None, None] * maps
    if weights is None:
        return scaled
    if weights.bands is not None:
        scaled = weights.bands[weights.label].T[:, None] * scaled
    return scaled if weights.stokes is None else of_unit_stokes(weights.stokes, scaled)


def of_unit_stokes(stokes: Float[Array, "part pixel"], maps: FrequencyMaps) -> FrequencyMaps:
    """Maps times L^-1 of every pixel."""
    if stokes.shape[0] == 1:
        return stokes * maps
    rows, first = [], 0
    for s in range(maps.shape[1]):
        rows.append(jnp.sum(stokes[first : first + s + 1] * maps[:, : s + 1], axis=1))
        first += s + 1
    return jnp.stack(rows, axis=1)
