"""Clusters of about equal size, by k-means on the sphere."""

from collections.abc import Mapping
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np

from sweep.cache import Cache
from sweep.clusters.base import ClusterMap, Clusters, check_keys, contiguous
from sweep.errors import ConfigError
from sweep.mask import Mask
from sweep.types import Parameter


def kmeans_clusters(
    mask: Mask, counts: Mapping[Parameter, int], seed: int, cache: Cache, clip: bool = False
) -> Clusters:
    """Divide the kept pixels anew for each parameter, by jax-healpy's spherical k-means.

    Parameters with the same count have the same clusters. A cluster that k-means leaves
    empty is dropped, so that `ClusterMap.count` may fall below the count asked for.

    Args:
        mask: The kept pixels.
        counts: Number of clusters of each parameter.
        seed: Of the first centres.
        cache: Where labels are kept, by mask, count and seed.
        clip: Take as many clusters as there are pixels where more are asked for.

    Raises:
        ConfigError: A count is below 1, or above the number of pixels without `clip`; a
            parameter is missing.
    """
    check_keys(counts)
    return Clusters(
        **{
            name: kmeans_map(mask, _count(name, counts[name], mask, clip), seed, cache)
            for name in counts
        }
    )


def kmeans_map(mask: Mask, count: int, seed: int, cache: Cache) -> ClusterMap:
    """Divide the kept pixels into `count` clusters; 1 <= count <= n_pixels."""
    if count == mask.pixels.size:
        return ClusterMap(np.arange(count, dtype=np.int32))
    key = {
        "method": "jax-healpy",
        "version": version("jax-healpy"),
        "float": str(jnp.result_type(float)),
        "nside": mask.nside,
        "mask": mask.digest,
        "count": count,
        "seed": seed,
    }
    arrays = cache.get("kmeans", key, lambda: {"labels": _jax_healpy_labels(mask, count, seed)})
    return ClusterMap(arrays["labels"])


def _jax_healpy_labels(mask: Mask, count: int, seed: int) -> np.ndarray:
    from jax_healpy.clustering import find_kmeans_clusters  # slow to import, often cached away

    pixels = mask.pixels
    labels = find_kmeans_clusters(
        jnp.asarray(mask.keep),
        jnp.asarray(pixels),
        count,
        jax.random.key(seed),
        # Its first pass runs on a sample of this many pixels per cluster, and refuses a
        # sample larger than the sky.
        initial_sample_size=min(3, pixels.size // count),
    )
    return contiguous(np.asarray(labels)[pixels])


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
