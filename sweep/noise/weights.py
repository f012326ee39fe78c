"""How the likelihood weighs pixels and bands: exactly, or by a pattern that bands have in common.

Where all bands have one pattern of noise over the pixels, the likelihood is exact with one factor a
pixel. Where they do not, pixels are cut into classes by the logarithms of the patterns: in a class
bands have about one pattern again, and weights of their own.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.vq import kmeans2

from sweep.noise.base import Noise, Root, matrices, triangle_of

SAME = 1e-9
"""Relative difference of patterns that are one: their files may be in single precision."""

EACH = 0
"""Number of classes that stands for every pixel its own."""

_ROUNDS = 25


@dataclass(frozen=True, eq=False)
class Weights:
    """What the likelihood takes for the noise.

    Attributes:
        sigma: standard deviation of a band, uK_CMB, shape (frequency,).
        stokes: lower triangle of L^-1 of every pixel, L as in `Noise`; None where all are 1.
        bands: what multiplies 1 / `sigma` in every class; None where there are no classes.
        label: class of every pixel; None where there are none.
    """

    sigma: Float[np.ndarray, " frequency"]
    stokes: Float[np.ndarray, "part pixel"] | None
    bands: Float[np.ndarray, "class frequency"] | None
    label: Int[np.ndarray, " pixel"] | None


def weights_of(noise: Noise, classes: int) -> Weights:
    """Weights of a noise with so many classes of pixels, or `EACH`; fewer where they are exact.

    Where bands differ in how Q and U go together in a pixel, all get the mean of them.
    """
    if noise.root is None:
        return Weights(noise.sigma, None, None, None)
    level = _level(noise.root)
    of_band = level.mean(axis=1) - level.mean()
    of_pixel = level.mean(axis=0)
    pattern = level - of_band[:, None] - of_pixel
    sigma = noise.sigma * np.exp(np.broadcast_to(of_band, noise.sigma.shape))
    stokes = triangle_of(np.linalg.inv(_shape(noise.root, level) * np.exp(of_pixel)[:, None, None]))
    if np.max(np.abs(pattern)) < SAME or classes == 1:
        return Weights(sigma, stokes, None, None)
    if classes == EACH:
        return Weights(sigma, stokes, np.exp(-pattern.T), np.arange(pattern.shape[1]))
    centres, label = _classes(pattern.T, classes)
    return Weights(sigma, stokes, np.exp(-centres), label)


def _level(root: Root) -> Float[np.ndarray, "band pixel"]:
    """Logarithm of the scale of L: of the root of its determinant."""
    count = matrices(root[:1, :, :1]).shape[-1]
    places = [i * (i + 3) // 2 for i in range(count)]
    return np.log(root[:, places]).mean(axis=1)


def _shape(root: Root, level: np.ndarray) -> Float[np.ndarray, "pixel stokes stokes"]:
    """The L of determinant 1 that the bands of a pixel have on average."""
    if root.shape[1] == 1:
        return np.ones((root.shape[2], 1, 1))
    full = matrices(root)
    covariance = np.mean(full @ full.swapaxes(-1, -2) / np.exp(2 * level)[..., None, None], axis=0)
    count = covariance.shape[-1]
    covariance /= np.linalg.det(covariance)[:, None, None] ** (1 / count)
    return np.linalg.cholesky(covariance)


def _classes(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of k-means and labels, from halves of halves: without chance.

    Args:
        points: shape (pixel, frequency).
        count: of classes; those that are left empty are not counted.
    """
    label = np.zeros(len(points), np.int64)
    for number in range(1, count):
        spread = [_spread(points[label == k]) for k in range(number)]
        widest = np.flatnonzero(label == np.argmax(spread))
        along = points[widest] - points[widest].mean(axis=0)
        _, _, axes = np.linalg.svd(along.T @ along)
        # the sign of an axis is the library's choice
        side = along @ (axes[0] * np.sign(axes[0][np.argmax(np.abs(axes[0]))])) > 0
        label[widest[side]] = number
    centres = np.stack([points[label == k].mean(axis=0) for k in np.unique(label)])
    centres, label = kmeans2(points, centres, iter=_ROUNDS, minit="matrix")
    used, label = np.unique(label, return_inverse=True)
    return centres[used], label


def _spread(points: np.ndarray) -> float:
    return float(np.sum((points - points.mean(axis=0)) ** 2))
