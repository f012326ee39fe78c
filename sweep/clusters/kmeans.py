"""Clusters of about equal size, by k-means on the sphere."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Literal

import healpy as hp
import numpy as np

from sweep.cache import Cache
from sweep.clusters import LLOYD_VERSION
from sweep.clusters.base import ClusterMap, Clusters, contiguous
from sweep.clusters.lloyd import lloyd_labels
from sweep.errors import ConfigError
from sweep.jax_session import jax_session
from sweep.mask import Mask

Method = Literal["lloyd", "jax_healpy"]
"""Who computes them; `clusters.method` of the configuration."""


def kmeans_clusters(
    mask: Mask,
    counts: Mapping[str, int],
    seed: int,
    cache: Cache,
    clip: bool = False,
    method: Method = "lloyd",
) -> Clusters:
    """Divide the kept pixels anew for each parameter, by spherical k-means.

    Parameters with the same count have the same clusters. `lloyd` makes as many clusters as
    asked for. One that jax-healpy leaves empty is dropped, so that `ClusterMap.count` may fall
    below the count asked for.

    Args:
        mask: The kept pixels.
        counts: Number of clusters of each parameter.
        seed: Of the first centres.
        cache: Where labels are kept, by method, mask, count and seed.
        clip: Take as many clusters as there are pixels where more are asked for.
        method: Who computes them.

    Raises:
        ConfigError: A count is below 1, or above the number of pixels without `clip`.
    """
    found = kmeans_counts(mask, counts, clip)
    return Clusters({p: kmeans_map(mask, found[p], seed, cache, method) for p in found})


def kmeans_counts(mask: Mask, counts: Mapping[str, int], clip: bool = False) -> dict[str, int]:
    """How many clusters `kmeans_clusters` makes of each parameter; computes none.

    Raises:
        ConfigError: as `kmeans_clusters`.
    """
    return {p: _count(p, count, mask, clip) for p, count in counts.items()}


def kmeans_map(mask: Mask, count: int, seed: int, cache: Cache, method: Method) -> ClusterMap:
    """Divide the kept pixels into `count` clusters; 1 <= count <= n_pixels."""
    if count == mask.pixels.size:
        return ClusterMap(np.arange(count, dtype=np.int32))
    made_by, labels = _METHODS[method]
    key = made_by() | {"nside": mask.nside, "mask": mask.digest, "count": count, "seed": seed}
    arrays = cache.get("kmeans", key, lambda: {"labels": labels(mask, count, seed)})
    return ClusterMap(arrays["labels"])


def _lloyd() -> dict[str, Any]:
    return {"method": "lloyd", "version": LLOYD_VERSION}


def _lloyd_labels(mask: Mask, count: int, seed: int) -> np.ndarray:
    vectors = np.stack(hp.pix2vec(mask.nside, mask.pixels), axis=1)
    return lloyd_labels(vectors, count, seed)


def _jax_healpy() -> dict[str, Any]:
    # caches also hold labels that earlier versions made in single precision
    return {"method": "jax-healpy", "version": version("jax-healpy"), "float": "float64"}


def _jax_healpy_labels(mask: Mask, count: int, seed: int) -> np.ndarray:
    import jax
    import jax.numpy as jnp
    from jax_healpy.clustering import find_kmeans_clusters  # slow to import, often cached away

    from sweep.draws import key_of  # imports jax

    pixels = mask.pixels
    with jax_session():
        labels = find_kmeans_clusters(
            jnp.asarray(mask.keep),
            jnp.asarray(pixels),
            count,
            jax.random.wrap_key_data(key_of(seed), impl="threefry2x32"),
            # Its first pass runs on a sample of this many pixels per cluster, and refuses a
            # sample larger than the sky.
            initial_sample_size=min(3, pixels.size // count),
        )
    return contiguous(np.asarray(labels)[pixels])


_METHODS = {"lloyd": (_lloyd, _lloyd_labels), "jax_healpy": (_jax_healpy, _jax_healpy_labels)}


def _count(name: str, count: int, mask: Mask, clip: bool) -> int:
    pixels = mask.pixels.size
    if count < 1:
        raise ConfigError(f"clusters.{name} = {count}: must be at least 1")
    if count > pixels and not clip:
        raise ConfigError(
            f"`{name}`: {count:,} clusters, {pixels:,} pixels in mask `{mask.expression}`; "
            "ask for fewer, or set clusters.clip=true"
        )
    return min(count, pixels)
