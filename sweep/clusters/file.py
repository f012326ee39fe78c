"""Clusters from label maps in a file."""

from pathlib import Path

import numpy as np

from sweep.clusters.base import ClusterMap, Clusters, check_known, contiguous
from sweep.errors import ConfigError
from sweep.mask import Mask
from sweep.sky.files import check_nside_of, read_columns
from sweep.types import PARAMETERS


def file_clusters(mask: Mask, path: str | Path) -> Clusters:
    """Read full-sky label maps `beta_dust`, `temp_dust`, `beta_pl` from npz or FITS.

    Inside the mask labels are integers of at least 0, in any numbering; outside anything.

    Args:
        mask: The kept pixels.
        path: The file.

    Raises:
        ConfigError: The file or a map is missing, of another resolution, or a label inside
            the mask is negative or no integer.
    """
    columns = read_columns(path)
    return Clusters(
        **{name: _cluster_map(mask, name, columns.require(name)) for name in PARAMETERS}
    )


def _cluster_map(mask: Mask, name: str, labels: np.ndarray) -> ClusterMap:
    check_nside_of(name, labels, mask.nside)
    if labels.dtype.kind not in "iuf":
        raise ConfigError(f"`{name}`: expected integer labels, got {labels.dtype}")
    inside = labels[mask.pixels]
    check_known(mask, name, inside)
    bad = np.flatnonzero(~((inside >= 0) & (inside == np.floor(inside))))
    if bad.size:
        raise ConfigError(
            f"`{name}`: label {inside[bad[0]]:g} at pixel {mask.pixels[bad[0]]} inside the mask; "
            "labels are integers of at least 0"
        )
    return ClusterMap(contiguous(inside))
