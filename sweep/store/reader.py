"""A store as recorded: which units are done, and their arrays."""

from functools import cached_property
from pathlib import Path

import numpy as np

from sweep.errors import StoreError
from sweep.store.records import Failure, Journals, Record, errors, read_journals
from sweep.store.schema import Unit
from sweep.store.segment import Segment, check_root, load_segments


class Store:
    """A snapshot of the store at `path`: its segments and records as they were when first read.

    Raises:
        StoreError: there is no store of this schema version at `path`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.uuid: str = check_root(self.path).get("uuid", "")

    @cached_property
    def segments(self) -> dict[str, Segment]:
        """Segments by name, in order of publication."""
        return {segment.name: segment for segment in load_segments(self.path)}

    @cached_property
    def _journals(self) -> Journals | None:
        return read_journals(self.path)

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

    def pending_units(self) -> tuple[Unit, ...]:
        """Units that are not recorded but needed, in order of publication.

        Two launches at once may have published an (experiment, realisation) twice; a unit is not
        needed where another, recorded or before it, holds all that it holds.
        """
        return self._pending

    @cached_property
    def _pending(self) -> tuple[Unit, ...]:
        missing = [unit for unit in self.units() if unit not in self._done]
        if not self._published_twice:
            return tuple(missing)
        held = {pair for unit in self._done for pair in self._pairs(unit)}
        needed = []
        for unit in missing:
            pairs = self._pairs(unit)
            if not pairs <= held:
                needed.append(unit)
                held |= pairs
        return tuple(needed)

    @cached_property
    def _published_twice(self) -> bool:
        pairs = sum(len(s.identities) * len(s.realisations) for s in self.segments.values())
        return pairs > sum(len(numbers) for numbers in self._published.values())

    def _pairs(self, unit: Unit) -> set[tuple[str, int]]:
        segment = self.segments[unit.segment]
        rows, columns = segment.layout.slices(unit)
        return {(i, r) for i in segment.identities[rows] for r in segment.realisations[columns]}

    @cached_property
    def _done(self) -> frozenset[Unit]:
        if self.has_journals:
            return frozenset(self.records).intersection(self.units())
        return frozenset(
            unit for segment in self.segments.values() for unit in segment.sealed_units()
        )

    @cached_property
    def _published(self) -> dict[str, set[int]]:
        published: dict[str, set[int]] = {}
        for segment in self.segments.values():
            for identity in segment.identities:
                published.setdefault(identity, set()).update(segment.realisations)
        return published

    def published(self, identity: str) -> frozenset[int]:
        """Realisation numbers that any segment holds for an experiment, whatever their state."""
        return frozenset(self._published.get(identity, ()))

    def errors(self) -> list[Failure]:
        """System errors that workers logged."""
        return errors(self.path)

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
