"""Verification: every recorded byte against its record, and every chunk against its checksum."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import StoreError
from sweep.store.files import PARTIAL, sidecar, store_path
from sweep.store.journal import Journal
from sweep.store.records import Record, WorkerInfo, hash_file, read_journals
from sweep.store.schema import Unit
from sweep.store.segment import Segment, check_root, segment_names


@dataclass(frozen=True)
class Damage:
    """A chunk of a recorded unit that is not what was recorded.

    `reason` is "missing", "size", "hash", or "checksum" (copies without journals).
    """

    unit: Unit
    array: str
    reason: str

    def __str__(self) -> str:
        return f"unit {self.unit}: {self.array}: {self.reason}"


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found.

    `checked` counts recorded units, `damage` lists their bad chunks, `retracted` holds the units
    that the next launch redoes, `metadata` has one line per unreadable or inconsistent piece of
    metadata, `leftovers` are temporary files of writers that died (or still run), and
    `skipped_lines` counts torn journal lines. The last two do no harm.
    """

    checked: int
    damage: tuple[Damage, ...]
    retracted: tuple[Unit, ...]
    metadata: tuple[str, ...]
    leftovers: tuple[Path, ...]
    skipped_lines: int

    @property
    def clean(self) -> bool:
        """Whether everything recorded is there, bit by bit."""
        return not self.damage and not self.metadata


def verify(path: str | Path, *, retract: bool = True) -> VerifyReport:
    """Check every recorded unit of the store at `path`.

    Where journals are, sizes and hashes are compared; a copy without them has every sealed chunk
    decoded, which checks crc32c. Damaged units are retracted, so that the next launch redoes
    them, unless `retract` is false or the store cannot be written.

    Raises:
        StoreError: there is no store of this schema version at `path`.
    """
    path = store_path(path)
    check_root(path)
    segments, metadata = _segments(path)
    journals = read_journals(path)
    records = journals.records if journals else {}
    checked = 0
    damage: list[Damage] = []
    for segment in segments.values():
        if journals is None:
            for unit in segment.sealed_units():
                checked += 1
                damage.extend(_undecodable(segment, unit))
        for unit in filter(records.__contains__, segment.units()):
            checked += 1
            damage.extend(_unlike_record(segment, unit, records[unit]))
    known = set(segment_names(path))
    for name in sorted({unit.segment for unit in records} - known):
        metadata.append(f"{path / name}: the segment is gone, but units of it are recorded")
    bad = tuple(dict.fromkeys(item.unit for item in damage))
    retracting = retract and bool(bad) and _writable(path)
    if retracting:
        _retract(path, damage, records)
    return VerifyReport(
        checked=checked,
        damage=tuple(damage),
        retracted=bad if retracting else (),
        metadata=tuple(metadata),
        leftovers=tuple(sorted(_leftovers(path))),
        skipped_lines=journals.skipped_lines if journals else 0,
    )


def _segments(path: Path) -> tuple[dict[str, Segment], list[str]]:
    """Segments whose metadata are sound, and a line for each that is not."""
    sound: dict[str, Segment] = {}
    problems: list[str] = []
    for name in segment_names(path):
        try:
            segment = Segment.load(path, name)
            _ = segment.spec
            segment.sealed_units()
            for variable in segment.layout.variables:
                segment.array(variable)
        except StoreError as error:
            problems.append(str(error))
        else:
            sound[name] = segment
    return sound, problems


def _unlike_record(segment: Segment, unit: Unit, records: tuple[Record, ...]) -> Iterator[Damage]:
    for name in segment.layout.variables:
        recorded = {record.files[name] for record in records if name in record.files}
        try:
            stored = hash_file(segment.chunk_file(unit, name))
        except OSError:
            yield Damage(unit, name, "missing")
            continue
        if stored[0] not in {size for size, _ in recorded}:
            yield Damage(unit, name, "size")
        elif stored not in recorded:
            yield Damage(unit, name, "hash")


def _undecodable(segment: Segment, unit: Unit) -> Iterator[Damage]:
    for name in segment.layout.variables:
        try:
            segment.read_chunk(unit, name)
        except StoreError:
            there = segment.chunk_file(unit, name).exists()
            yield Damage(unit, name, "checksum" if there else "missing")


def _writable(path: Path) -> bool:
    aside = sidecar(path)
    return os.access(aside if aside.exists() else path.parent, os.W_OK)


def _retract(path: Path, damage: list[Damage], records: dict[Unit, tuple[Record, ...]]) -> None:
    """Take back the records of damaged units; a copy's new journal leaves them out anyway."""
    journal = Journal(path, WorkerInfo.create())
    reasons: dict[Unit, list[str]] = {}
    for item in damage:
        reasons.setdefault(item.unit, []).append(f"{item.array} {item.reason}")
    for unit, reason in reasons.items():
        journal.retract(records.get(unit, ()), ", ".join(reason))


def _leftovers(path: Path) -> Iterator[Path]:
    for folder in (path, sidecar(path)):
        yield from folder.rglob(f"*{PARTIAL}")
