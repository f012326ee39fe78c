"""Noise by maps of hits: the depth of the instrument holds where hits are most."""

import re
from collections.abc import Sequence

import numpy as np

from sweep.inputs.columns import Columns
from sweep.noise.base import Root
from sweep.noise.files import of_bands

_NAME = re.compile(r"n?_?hits?(_?(map|count|s))?|n_?obs|counts?")
"""Of hits in lower case, beside other maps: Planck has HITS, WMAP N_OBS."""


def hits_root(
    files: Sequence[Columns], bands: int, nside: int, pixels: np.ndarray, floor: float | None
) -> Root:
    """L = sqrt(largest hits / hits) of the pixels, NaN without hits; shape (1 or band, 1, pixel).

    The largest is that of the whole map, so that a level does not depend on the mask.

    Args:
        files: one for all bands, or one a band.
        bands: number of bands.
        nside: HEALPix resolution, which maps must have.
        pixels: RING indices, shape (pixel,).
        floor: share of the largest hits that pixels have at least; None for none.

    Raises:
        ConfigError: a file has neither one map of hits nor one a band, or no pixel has hits.
    """
    maps = [
        (columns, columns.values(name, nside))
        for columns in files
        for name in of_bands(columns, bands, len(files), _NAME, "hits")
    ]
    return np.stack([_root(columns, hits, pixels, floor) for columns, hits in maps])[:, None]


def _root(
    columns: Columns, hits: np.ndarray, pixels: np.ndarray, floor: float | None
) -> np.ndarray:
    seen = np.nan_to_num(hits, nan=0.0, posinf=0.0)
    most = seen.max()
    if most <= 0 or seen.min() < 0:
        raise columns.refused(
            f"hits are from {seen.min():g} to {most:g}, expected them at least 0, and some above"
        )
    share = seen[pixels] / most
    if floor is not None:
        share = np.maximum(share, floor)
    with np.errstate(divide="ignore"):
        root = share**-0.5
    return np.where(np.isfinite(root), root, np.nan)
