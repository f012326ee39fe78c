"""What weights that are not the noise's own cost: precision of the parameters, and of the CMB.

To first order an estimate with the weights W of data with the noise N has the covariance
F^-1 V F^-1, where F is the Fisher matrix with W and V the covariance of its score; with the right
weights it is the inverse of F (White 1982, Econometrica 50, 1, theorem 3.2). Both are summed over
pixels in which Q and U of every component have amplitude 1. What is lost is 1 less the ratio of the
variances.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sweep.noise.base import Noise, matrices
from sweep.noise.weights import Weights

SAMPLE = 1000
"""Pixels that it is measured in, evenly over all: to about 3 % of itself."""


class Spectra(NamedTuple):
    """Columns of the mixing matrix at the start values, uK_CMB.

    Attributes:
        columns: of all components, the CMB first.
        slopes: their derivatives for the fitted parameters.
    """

    columns: Float[np.ndarray, "component frequency"]
    slopes: Float[np.ndarray, "parameter frequency"]


def precision_lost(
    noise: Noise, weights: Weights, spectra: Spectra
) -> Float[np.ndarray, " parameter"]:
    """Share of the precision of every parameter that is lost, and of the CMB's behind them."""
    if noise.root is None or len(noise.root) == 1:
        return np.zeros(len(spectra.slopes) + 1)
    count = noise.root.shape[2]
    pixels = np.unique(np.linspace(0, count - 1, SAMPLE).astype(int))
    right = noise.sigma[:, None, None, None] * matrices(noise.root[..., pixels])
    own = np.linalg.inv(np.moveaxis(right, 1, 0))
    used = _used(weights, pixels, own.shape[-1])
    seen = used @ np.moveaxis(right, 1, 0)
    score = seen @ seen.swapaxes(-1, -2)

    best, of_cmb = _information(own, spectra)
    exact = np.linalg.pinv(best)
    fisher, cmb = _information(used, spectra, score)
    inverse = np.linalg.pinv(fisher[0])
    sandwich = inverse @ fisher[1] @ inverse
    found = [*np.diagonal(exact[0]) / np.diagonal(sandwich), of_cmb / cmb]
    return np.maximum(1.0 - np.array(found), 0.0)


def _used(weights: Weights, pixels: np.ndarray, stokes: int) -> np.ndarray:
    """What the likelihood whitens with, shape (pixel, frequency, stokes, stokes)."""
    ones = np.broadcast_to(np.eye(stokes), (pixels.size, 1, stokes, stokes))
    if weights.stokes is not None:
        of_pixel = matrices(weights.stokes[None][..., pixels])[0]
        ones = ones * of_pixel[:, None] if of_pixel.shape[-1] == 1 else of_pixel[:, None]
    scale = 1.0 / weights.sigma[None]
    if weights.bands is not None and weights.label is not None:
        scale = scale * weights.bands[weights.label[pixels]]
    return ones * scale[..., None, None]


def _information(
    whitening: np.ndarray, spectra: Spectra, score: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Fisher matrix, and covariance of the score, summed over pixels; variance of the CMB.

    Args:
        whitening: what multiplies the data, shape (pixel, frequency, stokes, stokes).
        spectra: of the sky.
        score: covariance of what is whitened, of the same shape; None where it is 1.
    """
    count, bands, stokes, _ = whitening.shape

    def design(vectors: np.ndarray) -> np.ndarray:
        """Shape (pixel, frequency x stokes, vector x stokes)."""
        made = np.einsum("pfst,kf->pfskt", whitening, vectors)
        return made.reshape(count, bands * stokes, -1)

    columns, slopes = design(spectra.columns), design(spectra.slopes)
    inverse = np.linalg.pinv(columns)
    slopes = slopes - columns @ (inverse @ slopes)

    def through(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """left^T N right of whitened vectors, shape (pixel, vector, vector)."""
        if score is not None:
            apart = right.reshape(count, bands, stokes, -1)
            right = np.einsum("pfst,pftv->pfsv", score, apart).reshape(right.shape)
        return left.swapaxes(1, 2) @ right

    def over_stokes(matrix: np.ndarray) -> np.ndarray:
        size = matrix.shape[-1] // stokes
        apart = matrix.reshape(count, size, stokes, size, stokes)
        return np.einsum("pisjs->ij", apart)

    plain = over_stokes(slopes.swapaxes(1, 2) @ slopes)
    of_score = plain if score is None else over_stokes(through(slopes, slopes))
    back = inverse.swapaxes(1, 2)[..., :stokes]
    variance = np.einsum("pss->", through(back, back))
    return np.stack([plain, of_score]), float(variance)
