"""A published segment, seen through its metadata. Nothing here writes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from sweep.errors import StoreError
from sweep.quantities.table import VARIABLES
from sweep.store.chunks import chunk_name, read_region
from sweep.store.columns import Column, join
from sweep.store.schema import FORMAT, SCHEMA_VERSION, ExperimentEntry, Layout, SegmentSpec, Unit

PREFIX = "segment-"

REPLACES = "compacted_from"
"""Attribute of a segment that names the one it is to replace."""


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read the `zarr.json` of a group or an array.

    Raises:
        StoreError: it is missing, unreadable or no JSON object.
    """
    file = folder / "zarr.json"
    try:
        metadata = json.loads(file.read_bytes())
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}; restore a copy") from error
    except ValueError as error:
        raise StoreError(f"{file}: damaged metadata ({error}); restore a copy") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("attributes"), dict):
        raise StoreError(f"{file}: damaged metadata (no attributes); restore a copy")
    return metadata


def check_root(path: Path) -> dict[str, Any]:
    """Return the attributes of the store at `path`; nothing is touched.

    Raises:
        StoreError: there is nothing, something else, or a store of another schema version.
    """
    if not path.exists():
        raise StoreError(f"{path}: no such store; name one that a sweep has made (store.path=...)")
    if not (path / "zarr.json").exists():
        raise StoreError(f"{path}: exists but is not a sweep store; use another path")
    attributes = read_metadata(path)["attributes"]
    if attributes.get("format") != FORMAT:
        raise StoreError(
            f"{path}: exists but is not a sweep store: expected format {FORMAT!r}, "
            f"got {attributes.get('format')!r}; use another path"
        )
    if not attributes.get("uuid"):  # xarray keeps the attributes of what was opened
        raise StoreError(
            f"{path}: is no store but a dataset that was saved from one: read it with "
            "xarray.open_zarr, or name a store"
        )
    version = attributes.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: store schema version {version}, this program reads {SCHEMA_VERSION}: "
            "use the program version that made it, or a new path"
        )
    return attributes


def segment_names(path: Path) -> list[str]:
    """Names of the published segments of the store at `path`, sorted."""
    return sorted(
        entry.name for entry in path.iterdir() if entry.is_dir() and entry.name.startswith(PREFIX)
    )


@dataclass(frozen=True)
class Segment:
    """Frozen view of one published segment.

    `ordinal` counts the segments that were there at publication: the order of launches, without
    clocks. Arrays and coordinates are opened when first asked for.
    """

    root: Path
    name: str
    ordinal: int
    nside: int
    layout: Layout
    clusters: dict[str, int]
    base: dict[str, Any]
    swept: tuple[str, ...]
    provenance: dict[str, Any]

    @classmethod
    def load(cls, root: Path, name: str) -> "Segment":
        """Read the segment called `name` of the store at `root`.

        Raises:
            StoreError: its metadata are missing, damaged or of another version.
        """
        attributes = read_metadata(root / name)["attributes"]
        try:
            layout = Layout(**attributes["layout"])
            unknown = set(layout.variables) - set(VARIABLES)
            segment = cls(
                root=root,
                name=name,
                layout=Layout(**attributes["layout"] | {"variables": tuple(layout.variables)}),
                swept=tuple(attributes["swept"]),
                **{k: attributes[k] for k in ("ordinal", "nside", "clusters", "base")},
                provenance=attributes["provenance"],
            )
        except (KeyError, TypeError) as error:
            raise StoreError(
                f"{root / name / 'zarr.json'}: damaged metadata ({error!r}); restore a copy"
            ) from error
        if unknown:
            raise StoreError(
                f"{root / name}: holds {sorted(unknown)}, which this program does not know; "
                "use the program version that made it"
            )
        return segment

    @property
    def folder(self) -> Path:
        """Folder of the segment's group."""
        return self.root / self.name

    @property
    def spectra(self) -> Literal["cl", "alm"] | None:
        """What is stored of the residuals' spectra, as in `SegmentSpec`."""
        if "harmonic" in self.layout.sizes:
            return "alm"
        return "cl" if "multipole" in self.layout.sizes else None

    @property
    def group(self) -> zarr.Group:
        """The segment as a read-only zarr group."""
        return zarr.open_group(self.root, path=self.name, mode="r", zarr_format=3)

    @cached_property
    def _arrays(self) -> dict[str, zarr.Array]:
        return {}

    def array(self, name: str) -> zarr.Array:
        """Open one array read-only.

        Raises:
            StoreError: its metadata are missing or damaged, or do not fit the segment.
        """
        if name not in self._arrays:
            file = self.folder / name / "zarr.json"
            read_metadata(file.parent)
            try:
                array = zarr.open_array(
                    self.root, path=f"{self.name}/{name}", mode="r", zarr_format=3
                )
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{file}: damaged metadata ({error}); restore a copy") from error
            if name in VARIABLES:
                layout = self.layout
                expected = (layout.shape(name), layout.chunks(name), layout.dtype(name))
                if (got := (array.shape, array.chunks, array.dtype)) != expected:
                    raise StoreError(
                        f"{file}: damaged metadata: expected shape, chunks and dtype {expected}, "
                        f"got {got}; restore a copy"
                    )
            self._arrays[name] = array
        return self._arrays[name]

    def chunk_file(self, unit: Unit, name: str) -> Path:
        """The file that holds `unit`'s chunk of the variable `name`."""
        rest = (0,) * (len(self.layout.shape(name)) - 2)
        index = (unit.experiment_block, unit.realisation_block, *rest)
        return self.folder / name / chunk_name(index)

    def read_chunk(self, unit: Unit, name: str) -> np.ndarray:
        """Decode `unit`'s chunk of the variable `name`, without padding.

        Raises:
            StoreError: the chunk is missing or damaged. Whether the unit is recorded is not
                looked at.
        """
        region = self.layout.slices(unit) + (slice(None),) * (len(self.layout.shape(name)) - 2)
        return read_region(self.array(name), self.chunk_file(unit, name), region)

    def coordinate(self, name: str) -> np.ndarray:
        """Read a coordinate array, which is one chunk.

        Raises:
            StoreError: its metadata or its chunk are missing or damaged.
        """
        array = self.array(name)
        file = self.folder / name / chunk_name((0,) * array.ndim)
        return read_region(array, file, (slice(None),) * array.ndim)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """Identity of each experiment, 64 hex digits."""
        digits = self.coordinate("identity").tobytes().hex()
        return tuple(digits[start : start + 64] for start in range(0, len(digits), 64))

    @cached_property
    def realisations(self) -> tuple[int, ...]:
        """Realisation numbers; -1 is the noise-free slot."""
        return tuple(self.coordinate("realisation").tolist())

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The configuration keys that differ between the segment's experiments."""
        columns = {}
        for key in self.swept:
            attributes = self.array(key).attrs.asdict()
            labels: Any = attributes.get("labels", ())
            columns[key] = Column(
                self.coordinate(key), str(attributes.get("kind", "label")), tuple(labels)
            )
        return columns

    @cached_property
    def spec(self) -> SegmentSpec:
        """The specification that the segment was published from."""
        configs = join(self.base, self.columns, len(self.identities))
        maps: Any = self.layout.maps
        clusters: Any = self.clusters
        return SegmentSpec(
            experiments=tuple(map(ExperimentEntry, self.identities, configs)),
            realisations=self.realisations,
            block=self.layout.block,
            clusters=clusters,
            nside=self.nside,
            parameters=any(name in self.layout.variables for name in clusters),
            maps=maps,
            spectra=self.spectra,
            provenance=self.provenance,
            experiments_per_unit=self.layout.experiments_per_unit,
            files=self.layout.sizes.get("file", 0),
            pixels=None if maps is None else self.coordinate("healpix_index"),
        )

    def units(self) -> Iterator[Unit]:
        """All units of the segment."""
        return self.layout.units(self.name)

    def sealed_units(self) -> list[Unit]:
        """Units that were recorded when the store was last sealed."""
        mask = self.coordinate("recorded")
        return [u for u in self.units() if mask[u.experiment_block, u.realisation_block]]


def load_segments(path: Path) -> list[Segment]:
    """All segments of the store at `path`, in order of publication."""
    segments = [Segment.load(path, name) for name in segment_names(path)]
    return sorted(segments, key=lambda segment: (segment.ordinal, segment.name))
