"""Rules that divide the kept pixels into clusters; one file per rule."""

from sweep.clusters.base import ClusterMap, Clusters, contiguous
from sweep.clusters.binned import binned_clusters
from sweep.clusters.file import file_clusters
from sweep.clusters.kmeans import kmeans_clusters, kmeans_counts
from sweep.clusters.lloyd import LLOYD_VERSION, lloyd_labels
from sweep.clusters.multires import multires_clusters

__all__ = [
    "LLOYD_VERSION",
    "ClusterMap",
    "Clusters",
    "binned_clusters",
    "contiguous",
    "file_clusters",
    "kmeans_clusters",
    "kmeans_counts",
    "lloyd_labels",
    "multires_clusters",
]
