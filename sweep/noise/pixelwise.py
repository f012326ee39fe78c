"""Noise whose level differs from pixel to pixel: white noise times the root of its covariance."""

import jax.numpy as jnp
import numpy as np

from sweep.noise.base import Noise, Root, coloured
from sweep.noise.white import white_noise_at
from sweep.types import FrequencyMaps


def pixelwise_noise(
    seed: int, ratio: float, sigma: np.ndarray, root: Root, nside: int, pixels: np.ndarray
) -> Noise:
    """Independent noise of pixels; where L is not finite there is none.

    Args:
        seed: of all realisations: the draws are those of white noise, times L.
        ratio: of what is added to what the likelihood takes; 0 adds none.
        sigma: standard deviation that scales a band, uK_CMB, shape (frequency,).
        root: L of the pixels, see `Noise`.
        nside: HEALPix resolution.
        pixels: RING indices, shape (pixel,).
    """
    known = jnp.asarray(np.where(np.isfinite(root), root, 0.0))

    def draw(realisation: int) -> FrequencyMaps:
        return coloured(known, white_noise_at(seed, realisation, ratio * sigma, nside, pixels))

    return Noise(draw if ratio else None, sigma, root, None)
