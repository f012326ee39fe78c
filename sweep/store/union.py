"""The arrays of all segments as one array, read when it is indexed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from sweep.errors import StoreError
from sweep.quantities.table import VARIABLES
from sweep.store.chunks import as_slice
from sweep.store.pairs import Pairs, positions_among, spread
from sweep.store.reader import Store
from sweep.store.schema import Unit
from sweep.store.segment import Segment

_NOT_RECORDED = -1

_FEW = 16
"""So many chunks are read one by one, which names a damaged one without a second attempt."""

_PIECE = 2**26
"""Bytes that are read at once, beside the result."""


def chosen(store: Store, nside: int | None) -> list[Segment]:
    """The segments of one nside, or all, in order of publication."""
    return [s for s in store.segments.values() if nside in (None, s.nside)]


class Axes:
    """The dataset's axes, and where those of a segment lie on them."""

    def __init__(self, segments: list[Segment]) -> None:
        self.pairs = Pairs(segments)
        maps = [s for s in segments if s.layout.maps]
        self.nside = maps[0].nside if maps else None
        pixels = [s.coordinate("healpix_index") for s in maps]
        self.pixels = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *pixels]))
        experiments, realisations = self.pairs.shape
        self.sizes = {"experiment": experiments, "realisation": realisations}
        for dim in {dim for s in segments for dim in s.layout.sizes} - set(self.sizes):
            self.sizes[dim] = max(s.layout.sizes.get(dim, 0) for s in segments)
        if maps:
            self.sizes["pixel"] = self.pixels.size
        self._positions: dict[tuple[str, str], np.ndarray] = {}

    def positions(self, segment: Segment, dim: str) -> np.ndarray:
        """Position on the axis of each of the segment's along `dim`, -1 where it is not there."""
        key = segment.name, dim
        if key not in self._positions:
            self._positions[key] = self._find(segment, dim)
        return self._positions[key]

    def _find(self, segment: Segment, dim: str) -> np.ndarray:
        if dim == "experiment":
            return self.pairs.rows(segment)
        if dim == "realisation":
            return self.pairs.columns(segment)
        if dim == "pixel":
            return positions_among(self.pixels, segment.coordinate("healpix_index"))
        found = np.arange(segment.layout.sizes[dim])
        return np.where(found < self.sizes[dim], found, -1)


@dataclass(frozen=True)
class _Snapshot:
    """Segments at one moment, and which of them each (experiment, realisation) is read from.

    Of two segments that recorded the same pair, the first in order of publication wins.
    """

    store: Store
    segments: list[Segment]
    axes: Axes

    @cached_property
    def owner(self) -> np.ndarray:
        """Number of the segment for each pair, -1 where it is not recorded."""
        owner = np.full(self.axes.pairs.shape, _NOT_RECORDED, dtype=np.int32)
        for k, segment in reversed(list(enumerate(self.segments))):
            rows = self.axes.positions(segment, "experiment")
            columns = self.axes.positions(segment, "realisation")
            known = np.ix_(np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0))
            recorded = spread(segment, self.store.recorded(segment))[known]
            where = _grid(rows[rows >= 0], columns[columns >= 0])
            owner[where] = np.where(recorded, k, owner[where])
        return owner


class View:
    """What a dataset reads from: as it was when opened, also after `compact` replaced segments."""

    def __init__(self, store: Store, nside: int | None, axes: Axes) -> None:
        self._nside = nside
        self.axes = axes
        self.now = _Snapshot(store, chosen(store, nside), axes)
        _ = self.now.owner

    def refresh(self, old: _Snapshot) -> None:
        """Look at the store again; the pairs that were recorded at opening are kept.

        Raises:
            StoreError: one of them is no longer there.
        """
        store = Store(old.store.path)
        new = _Snapshot(store, chosen(store, self._nside), self.axes)
        lost = (old.owner != _NOT_RECORDED) & (new.owner == _NOT_RECORDED)
        if lost.any():
            raise StoreError(
                f"{store.path}: {np.count_nonzero(lost)} recorded fits are gone; open it anew"
            )
        new.owner[old.owner == _NOT_RECORDED] = _NOT_RECORDED
        self.now = new


@dataclass(frozen=True, eq=False)
class _Selection:
    """The part of one axis of a segment that a read asks for.

    `source` are positions within the segment, `target` the matching positions in the result.
    """

    source: np.ndarray
    target: np.ndarray

    def by_block(self, size: int) -> dict[int, "_Selection"]:
        """Split by blocks of `size` positions."""
        blocks = self.source // size
        order = np.argsort(blocks, kind="stable")
        numbers, starts = np.unique(blocks[order], return_index=True)
        return {
            number: _Selection(self.source[part], self.target[part])
            for number, part in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
        }


class Union(BackendArray):
    """One variable over all segments; a read touches each needed recorded chunk once."""

    def __init__(self, view: View, name: str) -> None:
        self._view, self._name = view, name
        self.shape = tuple(view.axes.sizes[dim] for dim in VARIABLES[name].dims)
        self.dtype = np.result_type(*(s.layout.dtype(name) for _, s in self._held(view.now)))

    def _held(self, now: _Snapshot) -> Iterator[tuple[int, Segment]]:
        return ((k, s) for k, s in enumerate(now.segments) if self._name in s.layout.variables)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        wanted = [
            np.atleast_1d(np.arange(n)[part]) for n, part in zip(self.shape, key, strict=True)
        ]
        while True:
            now = self._view.now
            try:
                result = self._gather(now, wanted)
                break
            except StoreError:
                if not now.store.stale:
                    raise
                self._view.refresh(now)
        scalar = tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)
        return result[scalar]

    def _gather(self, now: _Snapshot, wanted: list[np.ndarray]) -> np.ndarray:
        result = np.full([w.size for w in wanted], VARIABLES[self._name].fill, dtype=self.dtype)
        owner = now.owner[_grid(*wanted[:2])]
        for k, segment in self._held(now):
            owned = owner == k
            if not owned.any():
                continue
            selections = [
                _select(self._view.axes.positions(segment, dim), size, want)
                for dim, size, want in zip(
                    VARIABLES[self._name].dims, self.shape, wanted, strict=True
                )
            ]
            if all(axis.source.size for axis in selections):
                for region, values in self._parts(now.store, segment, owned, selections):
                    target = _grid(*(axis.target for axis in region))
                    mine = owned[_grid(*(axis.target for axis in region[:2]))]
                    if mine.all():
                        result[target] = values
                    else:
                        mine = mine.reshape(mine.shape + (1,) * (len(region) - 2))
                        result[target] = np.where(mine, values, result[target])
        return result

    def _parts(
        self, store: Store, segment: Segment, owned: np.ndarray, selections: list[_Selection]
    ) -> Iterator[tuple[list[_Selection], np.ndarray]]:
        """What is wanted of a segment, cut up, with its values."""
        rows, columns, *rest = selections
        layout = segment.layout
        needed = _needed(segment, owned[_grid(rows.target, columns.target)], rows, columns)
        if np.count_nonzero(needed) > _FEW:
            width = columns.source.size * int(np.prod([axis.source.size for axis in rest]))
            unit = layout.experiments_per_unit * width * self.dtype.itemsize
            for piece in rows.by_block(
                layout.experiments_per_unit * max(_PIECE // unit, 1)
            ).values():
                region = [piece, columns, *rest]
                places = tuple(axis.source for axis in region)
                within = np.zeros_like(needed)
                within[piece.source // layout.experiments_per_unit] = True
                try:
                    values = store.read_many(segment, self._name, places, needed=needed & within)
                except StoreError:
                    yield from self._chunks(store, segment, needed & within, region)
                else:
                    yield region, values
        else:
            yield from self._chunks(store, segment, needed, selections)

    def _chunks(
        self, store: Store, segment: Segment, needed: np.ndarray, selections: list[_Selection]
    ) -> Iterator[tuple[list[_Selection], np.ndarray]]:
        """The same chunk by chunk, which names one that is missing or damaged."""
        layout = segment.layout
        rows, columns, *rest = selections
        experiments = rows.by_block(layout.experiments_per_unit)
        realisations = columns.by_block(layout.block)
        for i, j in np.argwhere(needed).tolist():
            region = [experiments[i], realisations[j], *rest]
            first = (i * layout.experiments_per_unit, j * layout.block, *(0 for _ in rest))
            chunk = store.read(Unit(segment.name, i, j), self._name)
            places = (axis.source - start for axis, start in zip(region, first, strict=True))
            yield region, chunk[_grid(*places)]


def _needed(
    segment: Segment, owned: np.ndarray, rows: _Selection, columns: _Selection
) -> np.ndarray:
    """Which units hold a pair that is `owned`, shape (experiment block, realisation block)."""
    layout = segment.layout
    needed = np.zeros(layout.blocks, dtype=bool)
    experiments = rows.source // layout.experiments_per_unit
    realisations = columns.source // layout.block
    for j in np.unique(realisations):
        needed[experiments[owned[:, realisations == j].any(axis=1)], j] = True
    return needed


def _grid(*positions: np.ndarray) -> tuple[Any, ...]:
    """An index of all combinations: plain slices, which cost no copy, where they will do."""
    slices = tuple(map(as_slice, positions))
    return slices if all(isinstance(s, slice) for s in slices) else np.ix_(*positions)


def _select(positions: np.ndarray, size: int, wanted: np.ndarray) -> _Selection:
    inverse = np.full(size, -1)
    known = np.flatnonzero(positions >= 0)
    inverse[positions[known]] = known
    source = inverse[wanted]
    target = np.flatnonzero(source >= 0)
    return _Selection(source[target], target)
