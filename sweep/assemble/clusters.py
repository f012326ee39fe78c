"""Which pixels share a value of a spectral parameter.

An identity is made of `versions`, also where nothing is computed: what makes clusters is imported
where they are made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweep.assemble.data import build_mask, cache_of
from sweep.assemble.shared import Versions, installed, shared, unversioned
from sweep.cache import Cache
from sweep.clusters import LLOYD_VERSION
from sweep.config.groups.clusters import BinnedConf, ClusterFileConf, KmeansConf, MultiresConf
from sweep.config.models import parameter_names
from sweep.config.schema import SweepConf
from sweep.model import KNOWN

if TYPE_CHECKING:
    from sweep.clusters.base import Clusters
    from sweep.mask import Mask


Names = tuple[str, ...]


@dataclass(frozen=True)
class ClusterChoice:
    """What makes clusters of its settings.

    Attributes:
        make: from the settings, names of the parameters, the kept pixels and a cache.
        versions: see `Versions`.
        count: number of clusters of every parameter without making them; None where they are
            made for it. At most so many, where some may turn out empty.
    """

    make: "Callable[[Any, Names, Mask, Cache], Clusters]"
    versions: Versions = unversioned
    count: "Callable[[Any, Mask], dict[str, int]] | None" = None


def _kmeans(conf: KmeansConf, names: Names, mask: "Mask", cache: Cache) -> "Clusters":
    from sweep.clusters.kmeans import kmeans_clusters

    del names
    method: Any = conf.method
    return kmeans_clusters(mask, _values(conf), conf.seed, cache, conf.clip, method)


def _kmeans_counts(conf: KmeansConf, mask: "Mask") -> dict[str, int]:
    from sweep.clusters.kmeans import kmeans_counts

    return kmeans_counts(mask, _values(conf), conf.clip)


def _kmeans_versions(conf: KmeansConf) -> dict[str, Any]:
    if conf.method == "lloyd":
        return {"lloyd": LLOYD_VERSION}
    return {"jax-healpy": installed("jax-healpy")}


def _multires(conf: MultiresConf, names: Names, mask: "Mask", cache: Cache) -> "Clusters":
    from sweep.clusters.multires import multires_clusters

    del names, cache
    return multires_clusters(mask, _values(conf))


def _file(conf: ClusterFileConf, names: Names, mask: "Mask", cache: Cache) -> "Clusters":
    from sweep.clusters.file import file_clusters

    del cache
    return file_clusters(mask, conf.path, names)


def _binned(conf: BinnedConf, names: Names, mask: "Mask", cache: Cache) -> "Clusters":
    from sweep.clusters.binned import binned_clusters

    del names, cache
    return binned_clusters(mask, conf.path, _values(conf))


def _values(conf: Any) -> dict[str, int]:
    return {p: getattr(conf, p) for p in KNOWN if getattr(conf, p) is not None}


CLUSTERS = {
    KmeansConf: ClusterChoice(_kmeans, _kmeans_versions, _kmeans_counts),
    MultiresConf: ClusterChoice(_multires),
    ClusterFileConf: ClusterChoice(_file),
    BinnedConf: ClusterChoice(_binned),
}
"""Cluster rules, by the dataclass of their settings."""


@shared("sky", "mask", "clusters", "model", most=64)
def build_clusters(conf: SweepConf) -> "Clusters":
    """Clusters of the model's parameters on the kept pixels."""
    make = CLUSTERS[type(conf.clusters)].make
    return make(conf.clusters, parameter_names(conf), build_mask(conf), cache_of(conf))


def count_clusters(conf: SweepConf, mask: "Mask") -> dict[str, int]:
    """Number of clusters of every parameter on the kept pixels, see `ClusterChoice.count`."""
    count = CLUSTERS[type(conf.clusters)].count
    return count(conf.clusters, mask) if count else build_clusters(conf).counts
