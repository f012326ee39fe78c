"""Spherical k-means by Lloyd's iteration, on unit vectors, with a tree of the centres.

A pass gives every pixel to its nearest centre, then moves each centre to the direction of its
pixels' mean; the mean squared distance falls with every pass (Lloyd 1982,
doi:10.1109/TIT.1982.1056489). Distances are chords of the unit sphere, which order as angles do.
"""

import healpy as hp
import numpy as np
from scipy.spatial import KDTree

from sweep.clusters.base import contiguous

TOLERANCE = 1e-5
"""Relative gain of the mean squared distance below which a pass is the last."""

MAX_PASSES = 300

STARTS = 8
"""Up to 32 clusters; then fewer, and one from 129 on. Single starts of five clusters end 10 %
apart, the best of eight within 1 % of the best of many."""

SAMPLE = 64
"""Pixels per cluster on which starts are compared."""

JITTER = 1e-8
"""Radians by which pixels are moved at random. They are so regular that many lie midway between
two centres, and the last bits of sine and cosine, which differ between processors, would decide."""

_ROUNDING = 1e-12
"""Of sums of distances, which are at most 2."""

_PART = 2**15
"""Pixels of which three coordinates stay in a cache."""

_CURVE_NSIDE = 2**20  # far finer than any map: no two pixels share a place on the curve


def lloyd_labels(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Divide pixels into exactly `count` clusters, none of them empty.

    The same on any number of threads, since the work is done in one and in a fixed order, and
    on any machine but for chance ties.

    Args:
        vectors: Unit vectors of pixels of equal area, all distinct, shape (n_pixels, 3).
        count: Number of clusters, 1 to n_pixels.
        seed: Of the first centres.

    Returns:
        int32, shape (n_pixels,): 0 to count-1, numbered in order of first occurrence.
    """
    rng = np.random.default_rng(seed)
    vectors = vectors + rng.uniform(-JITTER, JITTER, vectors.shape)
    starts = [_start(vectors, count, rng) for _ in range(max(1, min(STARTS, 256 // count)))]
    _, centres = min(starts, key=lambda start: start[0])
    return contiguous(iterate(vectors, centres, TOLERANCE)[0])


def iterate(
    vectors: np.ndarray, centres: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Lloyd's passes, until no label changes, they gain too little, or `MAX_PASSES`.

    A pixel is not asked again whose centre cannot have come farther than any other may have come
    near, by the triangle inequality (Hamerly 2010, doi:10.1137/1.9781611972801.12).

    Args:
        vectors: Unit vectors, all distinct, shape (n_pixels, 3).
        centres: First centres, unit vectors, shape (count, 3); count <= n_pixels.
        tolerance: Relative gain of the mean squared distance that is too little.

    Returns:
        labels, shape (n_pixels,), each of 0 to count-1 at least once; the centres of these
        clusters; the mean squared distance of the last pass (squared radians, nearly).
    """
    labels, spread = np.full(len(vectors), -1), np.inf
    farthest, second = np.full(len(vectors), np.inf), np.zeros(len(vectors))
    columns = np.ascontiguousarray(vectors.T)
    for _ in range(MAX_PASSES):
        before, last = labels, spread
        labels, unsure = before.copy(), np.flatnonzero(farthest >= second - _ROUNDING)
        found, nearest = map(np.asarray, KDTree(centres).query(vectors[unsure], k=2))
        labels[unsure], second[unsure] = nearest[:, 0], found[:, 1]
        distance = _distances(vectors, centres, labels)
        fill_empty(labels, distance, len(centres))
        second[distance == 0] = 0.0  # what filled an empty cluster is not at its nearest
        spread = float(np.mean(distance**2))
        if np.array_equal(labels, before):
            break
        moved = _moved(columns, labels, centres)
        shift = _distances(moved, centres, np.arange(len(centres)))
        farthest, second = distance + shift[labels], second - shift.max()
        centres = moved
        if last - spread < tolerance * spread:
            break
    return labels, centres, spread


def fill_empty(labels: np.ndarray, distance: np.ndarray, count: int) -> None:
    """Give each empty cluster the farthest pixel of those that are not alone; in place.

    Args:
        labels: shape (n_pixels,), of `count` <= n_pixels clusters.
        distance: Of each pixel to its centre, shape (n_pixels,).
        count: Number of clusters.
    """
    size = np.bincount(labels, minlength=count)
    for empty in np.flatnonzero(size == 0):
        pixel = np.argmax(np.where(size[labels] > 1, distance, -1.0))
        size[labels[pixel]] -= 1
        size[empty] = 1
        labels[pixel], distance[pixel] = empty, 0.0


def _start(vectors: np.ndarray, count: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Mean squared distance and centres of a start, after Lloyd's passes on a sample of pixels.

    HEALPix's nested order fills the sphere by a curve, and pixels have equal areas: every n-th
    pixel along it is an even sample of the mask, and the middles of `count` equal stretches are
    even centres. The sphere is turned at random first.
    """
    turned = np.einsum("ij,pj->ip", _rotation(rng), vectors)
    order = np.argsort(hp.vec2pix(_CURVE_NSIDE, *turned, nest=True), kind="stable")
    sample = vectors[order[:: max(1, len(vectors) // (SAMPLE * count))]]
    middles = (2 * np.arange(count) + 1) * len(sample) // (2 * count)
    _, centres, spread = iterate(sample, sample[middles], TOLERANCE)
    return spread, centres


def _moved(columns: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    sums = np.stack([np.bincount(labels, x, len(centres)) for x in columns], axis=1)
    length = np.sqrt(np.sum(sums**2, axis=1, keepdims=True))
    # pixels all around the sphere have no mean direction; their centre stays
    return np.divide(sums, length, out=centres.copy(), where=length > 0)


def _distances(vectors: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each pixel to its centre, a part after another, so that memory does not decide."""
    found = np.empty(len(vectors))
    for first in range(0, len(vectors), _PART):
        part = slice(first, first + _PART)
        apart = vectors[part] - centres[labels[part]]
        found[part] = np.sqrt(np.sum(apart**2, axis=1))
    return found


def _rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation, uniform over all, shape (3, 3): that of a random unit quaternion."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.sqrt(np.sum(q**2))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
