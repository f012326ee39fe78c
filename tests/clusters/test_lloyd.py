"""Lloyd's iteration against its definition, and against jax-healpy's k-means."""

from collections.abc import Callable

import healpy as hp
import numpy as np
import pytest

from sweep.cache import Cache
from sweep.clusters.base import contiguous
from sweep.clusters.kmeans import kmeans_map
from sweep.clusters.lloyd import (
    JITTER,
    MAX_PASSES,
    TOLERANCE,
    fill_empty,
    iterate,
    lloyd_labels,
)
from sweep.mask import Mask

NSIDE = 16


def keep(rule: Callable[[np.ndarray, np.ndarray], np.ndarray], nside: int = NSIDE) -> Mask:
    """A mask from a rule of longitude and latitude, degrees."""
    angles = hp.pix2ang(nside, np.arange(hp.nside2npix(nside)), lonlat=True)
    return Mask(nside, rule(*angles), "RULE")


MASKS = {
    "sphere": keep(lambda lon, lat: lat <= 90),
    "caps": keep(lambda lon, lat: np.abs(lat) > 30),
    "band": keep(lambda lon, lat: np.abs(lat) < 20),
}


def vectors_of(mask: Mask) -> np.ndarray:
    return np.stack(hp.pix2vec(mask.nside, mask.pixels), axis=1)


def centres_of(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    sums = np.stack([vectors[labels == i].sum(axis=0) for i in range(labels.max() + 1)])
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def mean_distance(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Of the pixels to the centre of their cluster, radians."""
    cosine = np.sum(vectors * centres_of(vectors, labels)[labels], axis=1)
    return float(np.mean(np.arccos(np.clip(cosine, -1, 1))))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    "count", [12, 300, *(pytest.param(n, marks=pytest.mark.soak) for n in (5, 60))]
)
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_clusters_are_as_compact_as_those_of_jax_healpy(mask, count, cache):
    vectors = vectors_of(mask)
    theirs = kmeans_map(mask, count, 0, cache, "jax_healpy").labels
    assert theirs.max() + 1 == count
    for seed in range(3):
        ours = lloyd_labels(vectors, count, seed)
        assert mean_distance(vectors, ours) <= 1.01 * mean_distance(vectors, theirs)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_seeds_agree_on_how_compact_few_clusters_can_be(mask):
    # a single start ends up to 10 % above the best, by seed
    vectors = vectors_of(mask)
    for count in (5, 8, 12, 20):
        found = [mean_distance(vectors, lloyd_labels(vectors, count, seed)) for seed in range(6)]
        assert max(found) <= 1.015 * min(found), count


@pytest.mark.parametrize("count", [10, 200])
def test_a_seed_gives_the_same_clusters_and_another_seed_others(count):
    vectors = vectors_of(MASKS["band"])
    one = lloyd_labels(vectors, count, 0)
    np.testing.assert_array_equal(lloyd_labels(vectors.copy(), count, 0), one)
    for seed in (1, 2):
        assert np.mean(lloyd_labels(vectors, count, seed) != one) > 0.1


@pytest.mark.parametrize("count", [100, 300, 1000])
def test_last_bits_of_the_pixels_do_not_matter(count):
    # processors differ in them; without jitter up to a third of the labels change
    vectors = vectors_of(MASKS["sphere"])
    bits = 1.1e-16 * np.random.default_rng(0).integers(-1, 2, vectors.shape)
    one, other = (lloyd_labels(v, count, 0) for v in (vectors, vectors + bits))
    np.testing.assert_array_equal(one, other)


def test_the_sphere_is_divided_by_no_preferred_axis():
    # centres of the nested pixels themselves would be the same for every seed
    vectors = vectors_of(MASKS["sphere"])
    one, other = (centres_of(vectors, lloyd_labels(vectors, 12, seed)) for seed in (0, 1))
    nearest = np.degrees(np.arccos(np.clip(np.max(one @ other.T, axis=1), -1, 1)))
    assert np.mean(nearest) > 3


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_every_count_is_met_and_numbered_by_first_occurrence(mask):
    vectors = vectors_of(mask)
    n = len(vectors)
    for count in (1, 2, 3, 7, 31, 100, 257, n // 3, n // 2, n - 100, n - 1, n):
        labels = lloyd_labels(vectors, count, 3)
        assert labels.shape == (n,)
        assert labels.dtype == np.int32
        assert np.all(np.bincount(labels, minlength=count) > 0)
        assert labels.max() + 1 == count
        np.testing.assert_array_equal(labels, contiguous(labels))


def test_every_count_of_a_small_mask():
    vectors = vectors_of(keep(lambda lon, lat: lat > 20, nside=4))
    for count in range(1, len(vectors) + 1):
        assert lloyd_labels(vectors, count, 0).max() + 1 == count


@pytest.mark.parametrize("pixels", [[0], [5, 7], [0, 11], [0, 1, 2, 3], range(12)])
def test_tiny_masks(pixels):
    vectors = np.stack(hp.pix2vec(1, np.array(pixels)), axis=1)
    for count in range(1, len(vectors) + 1):
        labels = lloyd_labels(vectors, count, 0)
        assert np.unique(labels).tolist() == list(range(count))


def test_no_cluster_spans_two_regions():
    mask = keep(lambda lon, lat: (lat > 60) | (lat < -75))
    vectors = vectors_of(mask)
    north = vectors[:, 2] > 0
    for count in (2, 3, 10, 40):
        labels = lloyd_labels(vectors, count, 0)
        assert not set(labels[north]) & set(labels[~north])
        assert labels.max() + 1 == count


@pytest.mark.parametrize("count", [2, 30, 250, 1000])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_at_convergence_every_pixel_is_nearest_to_its_own_centre(mask, count):
    vectors = vectors_of(mask)
    start = np.random.default_rng(0).choice(vectors, count, replace=False)
    labels, centres, spread = iterate(vectors, start, tolerance=0.0)
    np.testing.assert_allclose(centres, centres_of(vectors, labels), atol=1e-12)
    cosine = vectors @ centres.T
    own = cosine[np.arange(len(vectors)), labels]
    assert np.all(own >= cosine.max(axis=1) - 1e-12)
    assert spread == pytest.approx(np.mean(2 - 2 * own), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 7, 60, 400])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_pixels_that_are_not_asked_again_are_where_asking_all_puts_them(mask, count):
    vectors = vectors_of(mask)
    vectors = vectors + np.random.default_rng(count).uniform(-JITTER, JITTER, vectors.shape)
    first = vectors[:count]  # all at one place: many clusters are empty, and centres move far
    labels, centres, spread = iterate(vectors, first, TOLERANCE)
    plain_labels, plain_centres, plain_spread = every_pixel_asked(vectors, first)
    np.testing.assert_array_equal(labels, plain_labels)
    np.testing.assert_array_equal(centres, plain_centres)
    assert spread == plain_spread


def every_pixel_asked(vectors, centres):
    """The definition of a pass: every pixel against every centre."""
    labels, spread = np.full(len(vectors), -1), np.inf
    for _ in range(MAX_PASSES):
        before, last = labels, spread
        distances = np.sqrt(np.sum((vectors[:, None] - centres) ** 2, axis=2))
        labels, distance = distances.argmin(axis=1), distances.min(axis=1)
        fill_empty(labels, distance, len(centres))
        spread = float(np.mean(distance**2))
        if np.array_equal(labels, before):
            break
        for cluster in range(len(centres)):
            total = [np.bincount(labels, x, len(centres))[cluster] for x in vectors.T]
            if length := np.sqrt(np.sum(np.square(total))):
                centres = np.where(
                    np.arange(len(centres))[:, None] == cluster, total / length, centres
                )
        if last - spread < TOLERANCE * spread:
            break
    return labels, centres, spread


def test_passes_never_lose_and_stop_at_the_tolerance():
    vectors = vectors_of(MASKS["caps"])
    start = np.random.default_rng(0).choice(vectors, 40, replace=False)
    spreads = [iterate(vectors, start, tolerance)[2] for tolerance in (np.inf, 1e-2, 1e-4, 0.0)]
    assert sorted(spreads, reverse=True) == spreads
    assert spreads[0] > 1.05 * spreads[-1]


@pytest.mark.parametrize("count", [2, 50, 3072])
def test_empty_clusters_are_filled_from_a_start_at_one_place(count):
    vectors = vectors_of(MASKS["sphere"])
    start = np.repeat(vectors[:1], count, axis=0)
    one, other = (iterate(vectors, start, 0.0)[0] for _ in range(2))
    assert np.unique(one).tolist() == list(range(count))
    np.testing.assert_array_equal(one, other)


def test_an_empty_cluster_gets_the_farthest_pixel_that_is_not_alone():
    labels = np.array([0, 0, 0, 2, 0])
    distance = np.array([0.1, 0.4, 0.3, 0.9, 0.4])
    fill_empty(labels, distance, 5)
    # pixel 3 is farthest, but alone; of equals the first goes
    assert labels.tolist() == [0, 1, 4, 2, 3]
    assert distance.tolist() == [0.1, 0.0, 0.0, 0.9, 0.0]
