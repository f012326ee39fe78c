"""A store as recorded: which units are done, and their arrays."""

from functools import cached_property
from pathlib import Path

import numpy as np

from sweep.errors import StoreError
from sweep.store.chunks import read_recorded
from sweep.store.files import store_path
from sweep.store.pairs import Pairs, spread
from sweep.store.records import Failure, Journals, Record, errors, journal_folder, read_journals
from sweep.store.schema import Unit
from sweep.store.segment import Segment, check_root, load_segments, segment_names

_TRIES = 100


class Store:
    """A snapshot of the store at `path`: its segments and records as they were when first read.

    Raises:
        StoreError: there is no store of this schema version at `path`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = store_path(path)
        self.uuid: str = check_root(self.path)["uuid"]

    @property
    def segments(self) -> dict[str, Segment]:
        """Segments by name, in order of publication."""
        return self._snapshot[0]

    @property
    def _journals(self) -> Journals | None:
        return self._snapshot[1]

    @cached_property
    def _snapshot(self) -> tuple[dict[str, Segment], Journals | None]:
        """Segments and journals that belong together, while `compact` may be replacing both."""
        for _ in range(_TRIES):
            names, journals = segment_names(self.path), journal_names(self.path)
            try:
                loaded = load_segments(self.path)
                for segment in loaded:
                    _ = segment.identities, segment.realisations
                read = read_journals(self.path)
            except StoreError:
                if self._unchanged(names, journals):
                    raise
            else:
                if self._unchanged(names, journals):
                    return {segment.name: segment for segment in loaded}, read
        raise StoreError(f"{self.path}: changes faster than it can be read; try again")

    def _unchanged(self, names: list[str], journals: set[str]) -> bool:
        return segment_names(self.path) == names and journals <= journal_names(self.path)

    @property
    def stale(self) -> bool:
        """Whether a segment of this snapshot is no longer there: `compact` has replaced it."""
        return not all(segment.folder.is_dir() for segment in self.segments.values())

    @property
    def records(self) -> dict[Unit, tuple[Record, ...]]:
        """Live records by unit, several where workers raced; empty for a copy without journals."""
        return self._journals.records if self._journals else {}

    @property
    def has_journals(self) -> bool:
        """Whether journals say what is done; else the sealed masks do."""
        return self._journals is not None

    @property
    def skipped_lines(self) -> int:
        """Journal lines that were torn or no record."""
        return self._journals.skipped_lines if self._journals else 0

    def units(self) -> tuple[Unit, ...]:
        """All units, in order of publication."""
        return tuple(unit for segment in self.segments.values() for unit in segment.units())

    def done_units(self) -> frozenset[Unit]:
        """The recorded units."""
        return self._done

    def pending_units(self, without: frozenset[Unit] = frozenset()) -> tuple[Unit, ...]:
        """Units that are not recorded but needed, in order of publication.

        Two launches at once may have published an (experiment, realisation) twice; a unit is not
        needed where another, recorded or before it, holds all that it holds.

        Args:
            without: units that cannot be computed, and are to be ignored.
        """
        return self._needed(without) if without else self._pending

    @cached_property
    def _pending(self) -> tuple[Unit, ...]:
        return self._needed(frozenset())

    def _needed(self, without: frozenset[Unit]) -> tuple[Unit, ...]:
        missing = [unit for unit in self.units() if unit not in self._done | without]
        if not missing or not self._pairs.twice:
            return tuple(missing)
        held = np.zeros(self._pairs.shape, dtype=bool)
        places = {}
        for name, segment in self.segments.items():
            places[name] = self._pairs.rows(segment), self._pairs.columns(segment)
            held[np.ix_(*places[name])] |= spread(segment, self.recorded(segment))
        needed = []
        for unit in missing:
            cut = self.segments[unit.segment].layout.slices(unit)
            here = np.ix_(*(p[c] for p, c in zip(places[unit.segment], cut, strict=True)))
            if not held[here].all():
                needed.append(unit)
                held[here] = True
        return tuple(needed)

    @cached_property
    def _pairs(self) -> Pairs:
        return Pairs(list(self.segments.values()))

    def recorded(self, segment: Segment) -> np.ndarray:
        """Which units of a segment are recorded, shape (experiment block, realisation block)."""
        return self._recorded[segment.name]

    @cached_property
    def _recorded(self) -> dict[str, np.ndarray]:
        if not self.has_journals:
            return {n: s.coordinate("recorded").astype(bool) for n, s in self.segments.items()}
        masks = {n: np.zeros(s.layout.blocks, dtype=bool) for n, s in self.segments.items()}
        for unit in self.records:
            mask = masks.get(unit.segment)
            block = (unit.experiment_block, unit.realisation_block)
            if mask is not None and all(0 <= b < n for b, n in zip(block, mask.shape, strict=True)):
                mask[block] = True
        return masks

    @cached_property
    def _done(self) -> frozenset[Unit]:
        return frozenset(
            Unit(name, *block)
            for name, mask in self._recorded.items()
            for block in np.argwhere(mask).tolist()
        )

    def published(self, identity: str) -> frozenset[int]:
        """Realisation numbers that any segment holds for an experiment, whatever their state."""
        return self._pairs.published(identity)

    def errors(self) -> list[Failure]:
        """System errors that workers logged over units that the store has."""
        return [f for f in errors(self.path) if f.unit.segment in self.segments]

    def read(self, unit: Unit, name: str) -> np.ndarray:
        """Read one variable of a recorded unit.

        Returns:
            The values, shape (experiments of the unit, realisations of the unit, ...).

        Raises:
            StoreError: the unit is not recorded, or its chunk is missing, of another size than
                recorded, or damaged.
        """
        if unit not in self._done:
            raise StoreError(f"unit {unit} is not recorded: run the sweep that fills it first")
        segment = self.segments[unit.segment]
        self._check_size(segment, unit, name)
        return segment.read_chunk(unit, name)

    def read_many(
        self,
        segment: Segment,
        name: str,
        region: tuple[np.ndarray, ...],
        *,
        needed: np.ndarray,
        hashed: bool = False,
    ) -> np.ndarray:
        """Read one variable of many units at once.

        Args:
            segment: the segment.
            name: the variable.
            region: positions in the segment along each axis of the variable.
            needed: which units are read, shape (experiment block, realisation block); others of
                the region, and what is not recorded, are fill.
            hashed: whether every chunk is to have the recorded sha256, not only the size.

        Raises:
            StoreError: a chunk is missing, not as recorded, or damaged.
        """
        segment.array(name)  # checks the metadata
        recorded = {}
        for block in np.argwhere(needed & self.recorded(segment)).tolist():
            unit = Unit(segment.name, *block)
            records = self.records.get(unit, ())
            files = {record.files[name] for record in records if name in record.files}
            recorded[segment.chunk_file(unit, name).name] = files if records else None
        return read_recorded(segment.folder / name, region, recorded, hashed=hashed)

    def _check_size(self, segment: Segment, unit: Unit, name: str) -> None:
        file = segment.chunk_file(unit, name)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise StoreError(
                f"unit {unit}: the chunk of {name} is missing ({file}); run `sweep-store verify`"
            ) from error
        records = self.records.get(unit, ())
        sizes = {record.files[name][0] for record in records if name in record.files}
        if records and size not in sizes:
            raise StoreError(
                f"unit {unit}: the chunk of {name} is damaged: expected {sorted(sizes)} bytes, "
                f"got {size} ({file}); run `sweep-store verify`"
            )


def journal_names(path: Path) -> set[str]:
    """Names of the journals beside the store at `path`, also of a deleted one that was there."""
    return {file.name for file in journal_folder(path).glob("*.jsonl")}
