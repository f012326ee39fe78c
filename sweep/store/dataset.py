"""The whole store as one lazily read `xarray.Dataset`: the union of its segments."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from sweep.errors import StoreError
from sweep.store.columns import ABSENT, token
from sweep.store.reader import Store
from sweep.store.schema import FORMAT, SCHEMA_VERSION, STOKES, VARIABLES, Unit
from sweep.store.segment import Segment

ALWAYS = (
    "solver",
    "clusters",
    "clusters.beta_dust",
    "clusters.temp_dust",
    "clusters.beta_pl",
    "mask.expression",
    "noise.ratio",
)
"""Configuration coordinates that are there even when all experiments agree on them."""

_NOT_RECORDED = -1


def open_dataset(path: str | Path, *, nside: int | None = None) -> xr.Dataset:
    """Open the store at `path`; values are read from disk only when they are used.

    Dimensions are `experiment` (in order of publication), `realisation` (its numbers, -1 is the
    noise-free slot), `cluster_*` (NaN padded), `stokes` and `pixel`. What is not recorded reads
    as fill: status 0, NaN, -1. Swept configuration keys are coordinates of `experiment` under
    their dotted names; a trailing `.name` is left out.

    Args:
        path: the store.
        nside: keep only the segments of this nside; needed when maps of several are stored.

    Raises:
        StoreError: no store of this version is at `path`, or its maps have several nsides. On
            reading: a recorded chunk is missing or damaged.
    """
    store = Store(path)
    segments = [s for s in store.segments.values() if nside in (None, s.nside)]
    resolutions = sorted({s.nside for s in segments if s.layout.maps})
    if len(resolutions) > 1:
        raise StoreError(
            f"{store.path}: maps of nside {resolutions} cannot share one pixel axis; "
            f"open it with nside={resolutions[0]}, for example"
        )
    axes = _Axes(segments)
    owner = _owner(store, segments, axes)
    present = [n for n in VARIABLES if any(n in s.layout.variables for s in segments)]
    variables = {
        name: xr.Variable(
            VARIABLES[name].dims,
            indexing.LazilyIndexedArray(_Union(store, segments, axes, owner, name)),
            VARIABLES[name].attributes,
        )
        for name in present
    }
    base, coordinates = _config_coordinates(segments, axes)
    coordinates |= axes.coordinates()
    attributes = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "path": str(store.path),
        "base": json.dumps(base),
        "provenance": json.dumps([s.provenance for s in segments]),
    }
    return xr.Dataset(variables, coordinates, attributes)


class _Axes:
    """Positions of every segment's axes within the dataset's axes."""

    def __init__(self, segments: list[Segment]) -> None:
        identities = dict.fromkeys(i for s in segments for i in s.identities)
        self.identities = {identity: k for k, identity in enumerate(identities)}
        self.realisations = _union([np.array(s.realisations) for s in segments])
        maps = {s.name: s.coordinate("healpix_index") for s in segments if s.layout.maps}
        self.pixels = _union(list(maps.values()))
        self.sizes = {"experiment": len(identities), "realisation": self.realisations.size}
        for dim in {dim for s in segments for dim in s.layout.sizes} - set(self.sizes):
            self.sizes[dim] = max(s.layout.sizes.get(dim, 0) for s in segments)
        self.nside = next((s.nside for s in segments if s.layout.maps), None)
        if maps:
            self.sizes["pixel"] = self.pixels.size
        self._positions: dict[tuple[str, str], np.ndarray] = {}
        for segment in segments:
            key = segment.name
            self._positions[key, "experiment"] = np.array(
                [self.identities[i] for i in segment.identities]
            )
            self._positions[key, "realisation"] = np.searchsorted(
                self.realisations, np.array(segment.realisations)
            )
            if key in maps:
                self._positions[key, "pixel"] = np.searchsorted(self.pixels, maps[key])

    def positions(self, segment: Segment, dim: str) -> np.ndarray:
        """Dataset position of each of the segment's positions along `dim`."""
        found = self._positions.get((segment.name, dim))
        return np.arange(segment.layout.sizes[dim]) if found is None else found

    def coordinates(self) -> dict[str, xr.Variable]:
        """The coordinates that do not come from the configuration."""
        about = {"units": "1"}
        coordinates = {
            "identity": xr.Variable(
                "experiment",
                np.array(list(self.identities), dtype=object),
                about | {"long_name": "sha256 of the experiment's configuration"},
            ),
            "realisation": xr.Variable(
                "realisation",
                self.realisations,
                about | {"long_name": "realisation number, -1 is the noise-free slot"},
            ),
        }
        if self.nside is not None:
            coordinates["stokes"] = xr.Variable(
                "stokes", list(STOKES), about | {"long_name": "Stokes parameter"}
            )
            coordinates["healpix_index"] = xr.Variable(
                "pixel",
                self.pixels,
                about
                | {"long_name": "HEALPix pixel", "indexing_scheme": "ring", "nside": self.nside},
            )
        return coordinates


def _union(arrays: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *arrays]))


def _owner(store: Store, segments: list[Segment], axes: _Axes) -> np.ndarray:
    """Index of the segment that each (experiment, realisation) is read from.

    Of two segments that recorded the same pair, the first in order of publication wins.
    """
    shape = (axes.sizes["experiment"], axes.sizes["realisation"])
    done = store.done_units()
    owner = np.full(shape, _NOT_RECORDED, dtype=np.int32)
    for k, segment in reversed(list(enumerate(segments))):
        recorded = np.zeros(segment.layout.blocks, dtype=bool)
        for unit in segment.units():
            recorded[unit.experiment_block, unit.realisation_block] = unit in done
        rows = axes.positions(segment, "experiment")
        columns = axes.positions(segment, "realisation")
        blocks = np.ix_(
            np.arange(rows.size) // segment.layout.experiments_per_unit,
            np.arange(columns.size) // segment.layout.block,
        )
        where = np.ix_(rows, columns)
        owner[where] = np.where(recorded[blocks], k, owner[where])
    return owner


@dataclass(frozen=True, eq=False)
class _Selection:
    """The part of one axis of a segment that a read asks for.

    `source` are positions within the segment, `target` the matching positions in the result.
    """

    source: np.ndarray
    target: np.ndarray

    def by_block(self, size: int) -> dict[int, "_Selection"]:
        """Split by blocks of `size` positions, each counted from its block's start."""
        blocks = self.source // size
        order = np.argsort(blocks, kind="stable")
        numbers, starts = np.unique(blocks[order], return_index=True)
        return {
            number: _Selection(self.source[part] - number * size, self.target[part])
            for number, part in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
        }


class _Union(BackendArray):
    """One variable over all segments; a read touches each needed recorded chunk once."""

    def __init__(
        self,
        store: Store,
        segments: list[Segment],
        axes: _Axes,
        owner: np.ndarray,
        name: str,
    ) -> None:
        self._store, self._segments, self._axes, self._owner = store, segments, axes, owner
        self._name = name
        self._held = [(k, s) for k, s in enumerate(segments) if name in s.layout.variables]
        self.shape = tuple(axes.sizes[dim] for dim in VARIABLES[name].dims)
        self.dtype = np.result_type(*(s.layout.dtype(name) for _, s in self._held))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        wanted = [
            np.atleast_1d(np.arange(n)[part]) for n, part in zip(self.shape, key, strict=True)
        ]
        result = np.full([w.size for w in wanted], VARIABLES[self._name].fill, dtype=self.dtype)
        owner = self._owner[np.ix_(*wanted[:2])]
        for k, segment in self._held:
            if (owner == k).any():
                self._read_segment(segment, owner == k, wanted, result)
        scalar = tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)
        return result[scalar]

    def _read_segment(
        self, segment: Segment, owned: np.ndarray, wanted: list[np.ndarray], result: np.ndarray
    ) -> None:
        rows, columns, *rest = (
            _select(self._axes.positions(segment, dim), size, want)
            for dim, size, want in zip(VARIABLES[self._name].dims, self.shape, wanted, strict=True)
        )
        if any(axis.source.size == 0 for axis in (rows, columns, *rest)):
            return
        layout = segment.layout
        row, column = np.nonzero(owned[np.ix_(rows.target, columns.target)])
        needed = np.zeros(layout.blocks, dtype=bool)
        needed[
            rows.source[row] // layout.experiments_per_unit, columns.source[column] // layout.block
        ] = True
        experiments = rows.by_block(layout.experiments_per_unit)
        realisations = columns.by_block(layout.block)
        for experiment_block, realisation_block in np.argwhere(needed).tolist():
            unit = Unit(segment.name, experiment_block, realisation_block)
            axes = (experiments[experiment_block], realisations[realisation_block], *rest)
            target = np.ix_(*(axis.target for axis in axes))
            values = self._store.read(unit, self._name)[np.ix_(*(axis.source for axis in axes))]
            mine = owned[target[0].reshape(-1, 1), target[1].reshape(1, -1)]
            mine = mine.reshape(mine.shape + (1,) * len(rest))
            result[target] = np.where(mine, values, result[target])


def _select(positions: np.ndarray, size: int, wanted: np.ndarray) -> _Selection:
    inverse = np.full(size, -1)
    inverse[positions] = np.arange(positions.size)
    source = inverse[wanted]
    target = np.flatnonzero(source >= 0)
    return _Selection(source[target], target)


def _config_coordinates(
    segments: list[Segment], axes: _Axes
) -> tuple[dict[str, Any], dict[str, xr.Variable]]:
    """The base that all experiments share, and a coordinate for each other key."""
    count = len(axes.identities)
    keys = dict.fromkeys(key for s in segments for key in (*s.base, *s.columns))
    base: dict[str, Any] = {}
    coordinates: dict[str, xr.Variable] = {}
    for key in keys:
        values = np.full(count, ABSENT, dtype=object)
        for segment in segments:
            rows = axes.positions(segment, "experiment")
            column = segment.columns.get(key)
            held = [segment.base.get(key, ABSENT)] * rows.size
            for row, value in zip(rows.tolist(), column.decode() if column else held, strict=True):
                values[row] = value
        shared = len({token(value) for value in values}) == 1
        if shared:
            base[key] = values[0]
        name = key.removesuffix(".name")
        if name in keys or name in VARIABLES or name in axes.sizes:
            name = key
        if not shared or name in ALWAYS:
            coordinates[name] = xr.Variable(
                "experiment",
                _plain(values),
                {"units": "1", "long_name": f"configuration key {key}"},
            )
    return base, coordinates


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers where all values are numbers (NaN where there is none), else strings."""
    some = [value for value in values if value is not ABSENT and value is not None]
    kinds = {type(value) for value in some}
    if kinds and kinds <= {int, float} or kinds == {bool}:
        if len(some) == values.size:
            return np.array(some)
        return np.array([v if type(v) in kinds else np.nan for v in values], dtype=float)
    texts = [
        "" if v is ABSENT or v is None else v if isinstance(v, str) else json.dumps(v)
        for v in values
    ]
    return np.array(texts, dtype=object)
