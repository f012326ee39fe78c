"""What a store holds: the description of one segment."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from sweep.errors import StoreError
from sweep.model import KNOWN
from sweep.quantities.table import VARIABLES

FORMAT = "skysweep"
SCHEMA_VERSION = 1
NOISELESS = -1
"""The realisation number of the noise-free slot."""

STOKES = ("Q", "U")


COORDINATES = ("realisation", "identity", "stokes", "healpix_index", "multipole", "recorded")
"""Arrays of a segment beside `VARIABLES` and the swept configuration keys."""

_KEY = re.compile(r"[A-Za-z_]\w*([.-]\w+)*", re.ASCII)
_IDENTITY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Unit:
    """What is computed, written, recorded and redone as one: one chunk of every array."""

    segment: str
    experiment_block: int
    realisation_block: int

    def __str__(self) -> str:
        return f"{self.segment}/{self.experiment_block}.{self.realisation_block}"


@dataclass(frozen=True)
class Layout:
    """Sizes and chunking of a segment's arrays.

    `sizes` maps dimensions to lengths, `block` counts the realisations of a unit, `maps` is the
    dtype of map variables (None without maps), `variables` are the names of `VARIABLES` held.
    """

    sizes: dict[str, int]
    block: int
    experiments_per_unit: int
    maps: str | None
    variables: tuple[str, ...]

    @property
    def blocks(self) -> tuple[int, int]:
        """Number of experiment blocks and of realisation blocks."""
        return (
            -(-self.sizes["experiment"] // self.experiments_per_unit),
            -(-self.sizes["realisation"] // self.block),
        )

    def units(self, segment: str) -> Iterator[Unit]:
        """All units of the segment named `segment`, experiments outermost."""
        experiment_blocks, realisation_blocks = self.blocks
        for i in range(experiment_blocks):
            for j in range(realisation_blocks):
                yield Unit(segment, i, j)

    def slices(self, unit: Unit) -> tuple[slice, slice]:
        """Experiments and realisations of `unit`, as positions within the segment."""
        e, r = unit.experiment_block, unit.realisation_block
        blocks = self.blocks
        if not (0 <= e < blocks[0] and 0 <= r < blocks[1]):
            raise StoreError(f"unit {unit}: expected blocks below {blocks}, got ({e}, {r})")
        return (
            slice(
                e * self.experiments_per_unit,
                min((e + 1) * self.experiments_per_unit, self.sizes["experiment"]),
            ),
            slice(r * self.block, min((r + 1) * self.block, self.sizes["realisation"])),
        )

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the whole array of a variable."""
        return tuple(self.sizes[dim] for dim in VARIABLES[name].dims)

    def chunks(self, name: str) -> tuple[int, ...]:
        """Shape of one chunk; those at a ragged end are stored padded with the fill value."""
        experiments, realisations, *rest = self.shape(name)
        return (
            min(self.experiments_per_unit, experiments),
            min(self.block, realisations),
            *rest,
        )

    def dtype(self, name: str) -> np.dtype:
        """Dtype of a variable as stored."""
        variable = VARIABLES[name]
        return np.dtype(self.maps if self.maps and "pixel" in variable.dims else variable.dtype)

    def unit_shape(self, name: str, unit: Unit) -> tuple[int, ...]:
        """Shape of a variable within `unit`: a chunk without padding."""
        experiments, realisations = self.slices(unit)
        return (
            experiments.stop - experiments.start,
            realisations.stop - realisations.start,
            *self.shape(name)[2:],
        )


@dataclass(frozen=True)
class ExperimentEntry:
    """One experiment: its sha256 in hex, and its flat configuration of JSON values."""

    identity: str
    config: dict[str, Any]


@dataclass(frozen=True)
class SegmentSpec:
    """What one launch adds to a store; checked on construction.

    Args:
        experiments: the new experiments, each once.
        realisations: realisation numbers, increasing; `NOISELESS` (-1) is the noise-free slot.
        block: realisations per unit.
        clusters: padded number of clusters of each parameter.
        nside: resolution of the maps and of the fit.
        parameters: whether the spectral parameters are stored.
        maps: dtype of the stored CMB maps, or None for no maps.
        spectra: whether spectra (`cl`) or also coefficients (`alm`) of the residuals are stored.
        provenance: versions, commit, host, command, overrides: any JSON.
        experiments_per_unit: experiments that share a unit.
        files: files that a realisation of the data is read from; 0 where they are simulated here.
        pixels: RING indices of the map pixels, shape (pixel,); needed with `maps`,
            else dropped.

    Raises:
        StoreError: a value cannot make a segment; the message names it.
    """

    experiments: tuple[ExperimentEntry, ...]
    realisations: tuple[int, ...]
    block: int
    clusters: dict[str, int]
    nside: int
    parameters: bool
    maps: Literal["float32", "float64"] | None = None
    spectra: Literal["cl", "alm"] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    experiments_per_unit: int = 1
    files: int = 0
    pixels: Sequence[int] | np.ndarray | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_experiments(self.experiments)
        numbers = self.realisations
        if not numbers or numbers[0] < NOISELESS or any(np.diff(numbers) <= 0):
            raise StoreError(
                "realisations: expected increasing numbers from 0 (-1 is the noise-free slot), "
                f"got {numbers[:8]}"
            )
        for name, count in {
            "block": self.block,
            "experiments_per_unit": self.experiments_per_unit,
            **{f"clusters[{name!r}]": count for name, count in self.clusters.items()},
        }.items():
            if count < 1:
                raise StoreError(f"{name}: must be at least 1, got {count}")
        if not self.clusters or not set(self.clusters) <= set(KNOWN):
            raise StoreError(
                f"clusters: expected some of {', '.join(KNOWN)}, got {', '.join(self.clusters)}"
            )
        if self.nside < 1 or self.nside & (self.nside - 1):
            raise StoreError(f"nside: expected a power of two, got {self.nside}")
        if self.maps not in (None, "float32", "float64"):
            raise StoreError(f"maps: expected None, float32 or float64, got {self.maps!r}")
        if self.spectra not in (None, "cl", "alm"):
            raise StoreError(f"spectra: expected None, cl or alm, got {self.spectra!r}")
        if self.maps is None:
            object.__setattr__(self, "pixels", None)
        else:
            self._check_pixels()
        _check_json("provenance", self.provenance)

    def _check_pixels(self) -> None:
        pixels = np.array(() if self.pixels is None else self.pixels, dtype=np.int64)
        inside = (pixels >= 0) & (pixels < 12 * self.nside**2)
        if not pixels.size or not inside.all() or np.unique(pixels).size != pixels.size:
            raise StoreError(
                f"pixels: maps need distinct RING indices below {12 * self.nside**2} "
                f"(nside {self.nside}), got {pixels.size} indices, "
                f"{np.count_nonzero(~inside)} of them outside"
            )
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)

    @cached_property
    def layout(self) -> Layout:
        """Sizes and chunking of the arrays."""
        sizes = {"experiment": len(self.experiments), "realisation": len(self.realisations)}
        pixels = 0 if self.pixels is None else len(self.pixels)
        sizes |= fit_axes(
            self.nside,
            self.clusters if self.parameters else {},
            pixels if self.maps is not None else 0,
            self.spectra,
            self.files,
        )
        return Layout(
            sizes=sizes,
            block=self.block,
            experiments_per_unit=self.experiments_per_unit,
            maps=self.maps,
            variables=tuple(name for name, v in VARIABLES.items() if set(v.dims) <= set(sizes)),
        )


def fit_axes(
    nside: int,
    clusters: Mapping[str, int],
    pixels: int,
    spectra: Literal["cl", "alm"] | None,
    files: int,
) -> dict[str, int]:
    """Lengths of the axes of what is kept of one fit.

    Args:
        nside: resolution of the fit.
        clusters: number of each parameter, empty where parameters are not kept.
        pixels: of the maps, 0 where they are not kept.
        spectra: as in `SegmentSpec`.
        files: as in `SegmentSpec`.
    """
    sizes = {f"cluster_{name}": count for name, count in clusters.items()}
    if pixels:
        sizes |= {"stokes": len(STOKES), "pixel": pixels}
    if spectra is not None:
        sizes |= {"multipole": 2 * nside}  # 2 to 2 nside + 1
    if spectra == "alm":
        sizes |= {"harmonic": (nside + 1) * (2 * nside + 3) - 3}
    if files:
        sizes |= {"file": files}
    return sizes


def _check_experiments(experiments: Sequence[ExperimentEntry]) -> None:
    if not experiments:
        raise StoreError("experiments: a segment needs at least one, got none")
    identities = [entry.identity for entry in experiments]
    for identity in identities:
        if not _IDENTITY.fullmatch(identity):
            raise StoreError(f"identity: expected 64 hex digits of a sha256, got {identity!r}")
    if len(set(identities)) != len(identities):
        twice = next(i for i, count in Counter(identities).items() if count > 1)
        raise StoreError(f"experiments: each may appear once, {twice} appears again")
    reserved = {*VARIABLES, *COORDINATES, "experiment", "pixel", "harmonic"}
    for key in set().union(*{tuple(entry.config) for entry in experiments}):
        if not _KEY.fullmatch(key) or key in reserved:
            raise StoreError(
                f"configuration key {key!r}: expected letters, digits, '_', '-' joined by '.', "
                "and no name of a store variable"
            )


def _check_json(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{name}: expected JSON values, got {error}") from error
