"""Clusters that are coarser HEALPix pixels, one resolution per parameter."""

from collections.abc import Mapping

import healpy as hp
import numpy as np

from sweep.clusters.base import ClusterMap, Clusters, contiguous
from sweep.errors import ConfigError
from sweep.mask import Mask


def multires_clusters(mask: Mask, nsides: Mapping[str, int]) -> Clusters:
    """Group the kept pixels by their parent pixel, as multi-resolution analyses do.

    Args:
        mask: The kept pixels.
        nsides: Resolution of each parameter; 0 is one cluster for the whole mask.

    Raises:
        ConfigError: A resolution is neither 0 nor a power of two up to the mask's.
    """
    return Clusters({name: multires_map(mask, nside, name) for name, nside in nsides.items()})


def multires_map(mask: Mask, nside: int, name: str) -> ClusterMap:
    """Group the kept pixels by their parent pixel at `nside`; `name` is for the error."""
    if nside == 0:
        return ClusterMap(np.zeros(mask.pixels.size, np.int32))
    if nside < 0 or not hp.isnsideok(nside, nest=True) or nside > mask.nside:
        raise ConfigError(
            f"clusters.{name} = {nside}: must be 0 or a power of two up to nside {mask.nside}"
        )
    nested = hp.ring2nest(mask.nside, mask.pixels)
    return ClusterMap(contiguous(nested // (mask.nside // nside) ** 2))
