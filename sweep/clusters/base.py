"""Clusters: which kept pixels share one value of a spectral parameter."""

from dataclasses import dataclass

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.mask import Mask


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
    """The clusters of every spectral parameter, over the same pixels.

    Attributes:
        maps: by name of the parameter.

    Raises:
        ConfigError: The maps differ in their number of pixels.
    """

    maps: dict[str, ClusterMap]

    def __post_init__(self) -> None:
        sizes = {name: of.labels.size for name, of in self.maps.items()}
        if len(set(sizes.values())) > 1:
            raise ConfigError(f"cluster maps differ in their number of pixels: {sizes}")

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Of the kept pixels, by name of the parameter, shape (n_pixels,) each."""
        return {name: of.labels for name, of in self.maps.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Number of clusters, by name of the parameter."""
        return {name: of.count for name, of in self.maps.items()}


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
