"""How much room a segment will take, before it is made."""

from collections.abc import Mapping
from math import prod

import numpy as np

from sweep.quantities.base import FIT
from sweep.quantities.table import VARIABLES
from sweep.store.columns import split
from sweep.store.schema import SegmentSpec


def fit_bytes(axes: Mapping[str, int], maps: str | None) -> int:
    """Bytes of the numbers of one fit, uncompressed.

    Args:
        axes: as `sweep.store.schema.fit_axes`.
        maps: dtype of the maps, None without.
    """
    total = 0
    for variable in VARIABLES.values():
        dims = variable.dims[len(FIT) :]
        if set(dims) <= axes.keys():
            dtype = maps if maps is not None and "pixel" in dims else variable.dtype
            total += np.dtype(dtype).itemsize * prod(axes[dim] for dim in dims)
    return total


def segment_files(spec: SegmentSpec) -> int:
    """Number of files of a segment whose units are all recorded."""
    _, columns = split([entry.config for entry in spec.experiments])
    coordinates = ["realisation", "identity", "recorded", *columns]
    if spec.maps:
        coordinates += ["stokes", "healpix_index"]
    if spec.spectra:
        coordinates += ["multipole"]
    variables = len(spec.layout.variables)
    blocks = spec.layout.blocks
    return 1 + 2 * len(coordinates) + variables + variables * blocks[0] * blocks[1]
