"""Clusters: which kept pixels share one value of a spectral parameter."""

from collections.abc import Mapping
from dataclasses import dataclass

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.mask import Mask
from sweep.types import PARAMETERS, Parameter


@dataclass(frozen=True, eq=False)
class ClusterMap:
    """One label per kept pixel.

    Attributes:
        labels: int32, shape (n_pixels,), in the order of `Mask.pixels`: 0 to count-1, numbered
            in order of first occurrence.

    Raises:
        ConfigError: The labels are not so numbered; pass them through `contiguous`.
    """

    labels: np.ndarray

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
            raise ConfigError(
                f"labels: expected integers, one per kept pixel, got {labels.dtype} {labels.shape}"
            )
        if not np.array_equal(labels, contiguous(labels)):
            raise ConfigError("labels are not numbered by first occurrence; use contiguous")
        labels = labels.astype(np.int32)
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    @property
    def count(self) -> int:
        """Number of clusters."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of the three spectral parameters, over the same pixels.

    Raises:
        ConfigError: The maps differ in their number of pixels.
    """

    beta_dust: ClusterMap
    temp_dust: ClusterMap
    beta_pl: ClusterMap

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name).labels.size for name in PARAMETERS}
        if len(set(sizes.values())) > 1:
            raise ConfigError(f"cluster maps differ in their number of pixels: {sizes}")


def contiguous(labels: np.ndarray) -> np.ndarray:
    """Renumber labels to 0, 1, ... in order of first occurrence; int32, same shape (n,)."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(first.size, np.int32)
    order[np.argsort(first)] = np.arange(first.size, dtype=np.int32)
    return order[inverse]


def check_known(mask: Mask, name: str, inside: np.ndarray, columns: Columns) -> None:
    """Check that a map has a value, neither NaN nor UNSEEN, at every kept pixel.

    Raises:
        ConfigError: It has not.
    """
    missing = np.flatnonzero(~np.isfinite(inside) | (inside == hp.UNSEEN))
    if missing.size:
        raise columns.refused(
            f"`{name}`: no value at {missing.size:,} of {inside.size:,} kept pixels, first pixel "
            f"{mask.pixels[missing[0]]}; take the maps of a fit whose mask holds this one"
        )


def check_keys(values: Mapping[Parameter, int]) -> None:
    """Check that a cluster rule was given one value per spectral parameter.

    Raises:
        ConfigError: A parameter is missing or unknown.
    """
    if set(values) != set(PARAMETERS):
        raise ConfigError(
            f"clusters: expected values for {', '.join(PARAMETERS)}, got {', '.join(values)}"
        )
