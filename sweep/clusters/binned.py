"""Clusters of pixels with like spectra, by the parameter maps of an earlier fit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sweep.clusters.base import ClusterMap, Clusters, check_known, contiguous
from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.inputs.read import read_columns
from sweep.mask import Mask


def binned_clusters(mask: Mask, path: str | Path, counts: Mapping[str, int]) -> Clusters:
    """Group the kept pixels by the value of full-sky maps, in bins of about equally many pixels.

    Such clusters follow the foregrounds instead of the sphere: their pixels need not be near
    each other. Pixels of one value stay together, so that few distinct values give bins of
    unlike size, and possibly fewer of them than asked for.

    Args:
        mask: The kept pixels.
        path: npz or FITS with a map of each parameter, by its name, as `sweep-store maps` writes
            `parameters.fits`.
        counts: Number of bins of each parameter.

    Raises:
        ConfigError: The file or a map is missing, of another resolution, or has no value at a
            kept pixel; there are fewer distinct values than bins.
    """
    columns = read_columns(path, "clusters.path")
    return Clusters({p: _cluster_map(mask, p, columns, n) for p, n in counts.items()})


def _cluster_map(mask: Mask, name: str, columns: Columns, count: int) -> ClusterMap:
    inside = columns.map(name, mask.nside)[mask.pixels].astype(np.float64)
    check_known(mask, name, inside, columns)
    distinct, inverse, pixels = np.unique(inside, return_inverse=True, return_counts=True)
    if not 1 <= count <= distinct.size:
        raise ConfigError(
            f"clusters.{name} = {count}: must be 1 to {distinct.size:,}, the number of distinct "
            f"values of `{name}` at the kept pixels"
        )
    middle = (np.cumsum(pixels) - pixels / 2) / inside.size
    return ClusterMap(contiguous(np.floor(middle * count)[inverse]))
