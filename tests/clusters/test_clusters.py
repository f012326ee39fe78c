from typing import Any

import healpy as hp
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweep.clusters.kmeans
from sweep.cache import Cache
from sweep.clusters.base import ClusterMap, Clusters, contiguous
from sweep.clusters.binned import binned_clusters
from sweep.clusters.file import file_clusters
from sweep.clusters.kmeans import Method, kmeans_clusters, kmeans_map
from sweep.clusters.multires import multires_clusters
from sweep.errors import ConfigError
from sweep.mask import Mask, parse_mask
from tests.problems import PARAMETERS

METHODS: tuple[Method, ...] = ("lloyd", "jax_healpy")
NSIDE = 16
NPIX = hp.nside2npix(NSIDE)


@pytest.fixture(scope="module")
def mask():
    latitude = np.abs(hp.pix2ang(NSIDE, np.arange(NPIX), lonlat=True)[1])
    return Mask(NSIDE, latitude > 30, "CAPS")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def same(value: Any, **others: Any) -> dict[Any, Any]:
    return {name: others.get(name, value) for name in PARAMETERS}


@given(st.lists(st.integers(-5, 100), min_size=1, max_size=40))
def test_contiguous(labels):
    array = np.array(labels)
    new = contiguous(array)
    assert new.dtype == np.int32
    first = list(dict.fromkeys(new.tolist()))
    assert first == list(range(len(first)))
    # the same partition
    pairs = set(zip(labels, new.tolist(), strict=True))
    assert len(pairs) == len(set(labels)) == len(first)
    np.testing.assert_array_equal(contiguous(new), new)


def test_cluster_map():
    cluster_map = ClusterMap(np.array([0, 0, 1, 0, 2]))
    assert cluster_map.count == 3
    assert cluster_map.labels.dtype == np.int32
    for bad in ([1, 0], [0, 2], [-1, 0]):
        with pytest.raises(ConfigError, match="first occurrence"):
            ClusterMap(np.array(bad))
    for bad in (np.array([0.0]), np.zeros((2, 2), int), np.array([], int)):
        with pytest.raises(ConfigError, match="expected integers"):
            ClusterMap(bad)
    one, two = ClusterMap(np.zeros(4, int)), ClusterMap(np.zeros(5, int))
    with pytest.raises(ConfigError, match="number of pixels"):
        Clusters({"beta_dust": one, "temp_dust": two})


@pytest.mark.parametrize("method", METHODS)
def test_kmeans(mask, cache, method):
    counts: dict[str, int] = {"beta_dust": 40, "temp_dust": 12, "beta_pl": 1}
    clusters = kmeans_clusters(mask, counts, 0, cache, method=method)
    vectors = np.stack(hp.pix2vec(NSIDE, mask.pixels), axis=1)
    for name, count in counts.items():
        labels = clusters.labels[name]
        assert labels.shape == mask.pixels.shape
        assert 0.9 * count <= clusters.counts[name] <= count
        centres = np.stack([vectors[labels == i].mean(axis=0) for i in range(labels.max() + 1)])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        if count > 1:
            nearest = np.argmax(vectors @ centres.T, axis=1)
            # Lloyd's rule at its fixed point, up to the last step's moves
            assert (nearest == labels).mean() > 0.97
    # a cap of 30 degrees and its opposite never share a cluster
    assert not set(clusters.maps["beta_dust"].labels[vectors[:, 2] > 0]) & set(
        clusters.maps["beta_dust"].labels[vectors[:, 2] < 0]
    )


@pytest.mark.parametrize("method", METHODS)
def test_kmeans_is_seeded_and_cached(mask, cache, tmp_path, method):
    def labels(seed: int, cache: Cache) -> np.ndarray:
        return kmeans_clusters(mask, same(20), seed, cache, method=method).maps["temp_dust"].labels

    elsewhere = Cache(tmp_path)
    np.testing.assert_array_equal(labels(0, elsewhere), labels(0, cache))
    assert len(list(tmp_path.iterdir())) == 1
    assert np.any(labels(1, elsewhere) != labels(0, cache))
    assert len(list(tmp_path.iterdir())) == 2


def test_kmeans_is_cached_by_method_and_version(mask, tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    one, other = (
        kmeans_clusters(mask, same(20), 0, cache, method=m).maps["beta_pl"] for m in METHODS
    )
    assert len(list(tmp_path.iterdir())) == 2
    assert np.any(one.labels != other.labels)
    monkeypatch.setattr(sweep.clusters.kmeans, "LLOYD_VERSION", -1)
    kmeans_clusters(mask, same(20), 0, cache)
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(sweep.clusters.kmeans, "version", lambda name: f"another {name}")
    kmeans_clusters(mask, same(20), 0, cache)
    assert len(list(tmp_path.iterdir())) == 3
    kmeans_clusters(mask, same(20), 0, cache, method="jax_healpy")
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("method", METHODS)
def test_kmeans_many_clusters(mask, cache, method):
    # beyond a third of the pixels jax-healpy's own sample size would be refused
    pixels = mask.pixels.size
    some = kmeans_clusters(mask, same(pixels // 2), 0, cache, method=method).maps["beta_pl"]
    assert pixels // 3 < some.count <= pixels // 2
    every = kmeans_clusters(mask, same(pixels), 0, cache, method=method).maps["beta_pl"]
    np.testing.assert_array_equal(every.labels, np.arange(pixels))


@pytest.mark.parametrize("size", [1, 3, 4])
def test_kmeans_tiny_masks(cache, size):
    tiny = Mask(1, np.arange(12) < size, "TINY")
    for count in range(1, size + 1):
        assert kmeans_clusters(tiny, same(count), 0, cache).maps["beta_pl"].count == count
        left = (
            kmeans_clusters(tiny, same(count), 0, cache, method="jax_healpy").maps["beta_pl"].count
        )
        assert 1 <= left <= count


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_threefry_partitionable", False),
        ("jax_random_seed_offset", 5),
        ("jax_default_prng_impl", "rbg"),
        ("jax_enable_x64", False),
    ],
)
def test_no_setting_of_jax_changes_clusters(mask, tmp_path, name, value):
    """Issue, point 8: jax-healpy draws its first centres by jax."""
    usual = kmeans_map(mask, 20, 0, Cache(tmp_path / "usual"), "jax_healpy").labels
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        labels = kmeans_map(mask, 20, 0, Cache(tmp_path / "other"), "jax_healpy").labels
    finally:
        jax.config.update(name, before)
    np.testing.assert_array_equal(labels, usual)


def test_kmeans_refuses(mask, cache):
    with pytest.raises(ConfigError, match="clusters.beta_dust = 0: must be at least 1"):
        kmeans_clusters(mask, same(5, beta_dust=0), 0, cache)
    pixels = f"{mask.pixels.size:,}"
    with pytest.raises(ConfigError, match=f"`beta_pl`: 5,000 clusters, {pixels} pixels"):
        kmeans_clusters(mask, same(5, beta_pl=5000), 0, cache)
    clipped = kmeans_clusters(mask, same(5, beta_pl=5000), 0, cache, clip=True)
    assert clipped.counts["beta_pl"] == mask.pixels.size


def test_multires(mask):
    clusters = multires_clusters(mask, {"beta_dust": 16, "temp_dust": 4, "beta_pl": 0})
    np.testing.assert_array_equal(clusters.maps["beta_dust"].labels, np.arange(mask.pixels.size))
    assert clusters.maps["beta_pl"].count == 1
    parent = hp.ud_grade(np.arange(hp.nside2npix(4), dtype=float), NSIDE)[mask.pixels]
    np.testing.assert_array_equal(clusters.maps["temp_dust"].labels, contiguous(parent))


def test_multires_nests():
    everything = parse_mask("ALL", NSIDE, {})
    maps = [multires_clusters(everything, same(nside)).maps["beta_pl"] for nside in (1, 2, 4, 8)]
    assert [m.count for m in maps] == [12, 48, 192, 768]
    for coarse, fine in zip(maps, maps[1:], strict=False):
        pairs = set(zip(fine.labels.tolist(), coarse.labels.tolist(), strict=True))
        assert len(pairs) == fine.count


@pytest.mark.parametrize("nside", [-1, 3, 32])
def test_multires_refuses(mask, nside):
    with pytest.raises(ConfigError, match=f"clusters.temp_dust = {nside}: must be 0 or a power"):
        multires_clusters(mask, same(4, temp_dust=nside))


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("form", ["npz", "fits"])
def test_file(tmp_path, mask, dtype, form):
    labels = np.where(mask.keep, np.arange(NPIX) // 7, -1).astype(dtype)
    if dtype is np.float64:
        labels[~mask.keep] = hp.UNSEEN
    path = tmp_path / f"labels.{form}"
    if form == "npz":
        np.savez(path, **same(labels))
    else:
        hp.write_map(path, [labels] * 3, column_names=list(PARAMETERS), dtype=dtype)
    clusters = file_clusters(mask, path, PARAMETERS)
    np.testing.assert_array_equal(clusters.maps["beta_pl"].labels, contiguous(mask.pixels // 7))


def test_file_refuses(tmp_path, mask):
    path, labels = tmp_path / "labels.npz", np.arange(NPIX)
    first = mask.pixels[0]
    cases: list[tuple[Any, str]] = [
        (np.where(labels == first, -3, labels), f"label -3 at pixel {first} inside the mask"),
        (np.where(labels == first, 0.5, labels), f"label 0.5 at pixel {first}"),
        (np.where(labels == first, np.nan, labels), f"no value at 1 of .* pixel {first}"),
        (np.where(labels == first, hp.UNSEEN, labels), f"no value at 1 of .* pixel {first}"),
        (np.arange(12 * 64), "map has nside 8, config 16"),
        (np.arange(100), "100 pixels is no HEALPix size"),
        (np.full(NPIX, "a"), "expected numbers, got <U1"),
    ]
    for bad, message in cases:
        np.savez(path, **(same(labels, temp_dust=bad)))
        with pytest.raises(ConfigError, match=message):
            file_clusters(mask, path, PARAMETERS)
    np.savez(path, beta_dust=labels)
    with pytest.raises(ConfigError, match="has no `temp_dust`; it has beta_dust"):
        file_clusters(mask, path, PARAMETERS)


@given(st.lists(st.integers(0, 20), min_size=12, max_size=12), st.integers(1, 12))
def test_bins_are_intervals_of_about_equal_size(tmp_path_factory, values, count):
    tiny, values = Mask(1, np.arange(12) >= 0, "ALL"), np.array(values, float)
    distinct, pixels = np.unique(values, return_counts=True)
    count = min(count, distinct.size)
    path = tmp_path_factory.mktemp("binned") / "maps.npz"
    np.savez(path, **same(values))
    labels = binned_clusters(tiny, path, same(count)).maps["temp_dust"].labels
    found = [values[labels == i] for i in np.unique(labels)]
    found.sort(key=lambda bin: bin[0])
    assert all(low.max() < high.min() for low, high in zip(found, found[1:], strict=False))
    # a bin exceeds its share by less than the values that it cannot split
    assert max(bin.size for bin in found) <= 12 / count + pixels.max()
    if pixels.max() == 1:
        assert len(found) == count


def test_binned_refuses(tmp_path, mask):
    path, values = tmp_path / "maps.npz", np.arange(NPIX) // 100 * 0.1
    first, most = mask.pixels[0], np.unique(values[mask.pixels]).size
    for bad in (hp.UNSEEN, np.nan):
        np.savez(path, **same(values, beta_pl=np.where(np.arange(NPIX) == first, bad, values)))
        with pytest.raises(ConfigError, match=f"`beta_pl`: no value at 1 of .*pixel {first}"):
            binned_clusters(mask, path, same(3))
    np.savez(path, **same(values))
    for count in (0, most + 1):
        with pytest.raises(ConfigError, match=f"clusters.beta_dust = {count}: must be 1 to {most}"):
            binned_clusters(mask, path, same(3, beta_dust=count))
    assert binned_clusters(mask, path, same(most)).maps["beta_dust"].count <= most
