"""Clusters from label maps in a file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sweep.clusters.base import ClusterMap, Clusters, check_known, contiguous
from sweep.inputs.columns import Columns
from sweep.inputs.read import read_columns
from sweep.mask import Mask


def file_clusters(mask: Mask, path: str | Path, names: Iterable[str]) -> Clusters:
    """Read full-sky label maps from npz or FITS, one of each parameter, by its name.

    Inside the mask labels are integers of at least 0, in any numbering; outside anything.

    Args:
        mask: The kept pixels.
        path: The file.
        names: Of the parameters.

    Raises:
        ConfigError: The file or a map is missing, of another resolution, or a label inside
            the mask is negative or no integer.
    """
    columns = read_columns(path, "clusters.path")
    return Clusters({name: _cluster_map(mask, name, columns) for name in names})


def _cluster_map(mask: Mask, name: str, columns: Columns) -> ClusterMap:
    inside = columns.map(name, mask.nside)[mask.pixels]
    check_known(mask, name, inside, columns)
    bad = np.flatnonzero(~((inside >= 0) & (inside == np.floor(inside))))
    if bad.size:
        raise columns.refused(
            f"`{name}`: label {inside[bad[0]]:g} at pixel {mask.pixels[bad[0]]} inside the mask; "
            "labels are integers of at least 0"
        )
    return ClusterMap(contiguous(inside))
