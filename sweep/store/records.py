"""The lines of journals and error logs, and how they are read back and merged."""

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sweep.errors import StoreError
from sweep.store.files import sidecar, store_path
from sweep.store.schema import Unit
from sweep.store.segment import check_root
from sweep.types import Status

File = tuple[int, str]
"""Size in bytes and sha256 in hex of a stored chunk."""


@dataclass(frozen=True)
class WorkerInfo:
    """Who writes: a random name, and for information the host, the device and the engine."""

    id: str
    host: str
    device: str
    engine: str = ""

    @classmethod
    def create(cls, device: str = "cpu", engine: str = "") -> "WorkerInfo":
        """Name this process."""
        host = socket.gethostname()
        return cls(f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}", host, device, engine)


@dataclass(frozen=True)
class Record:
    """A line of a journal that says: this unit is done, and these are its bytes.

    `files` maps array names to size and sha256; `statuses` counts realisations by status name;
    `seconds` is the unit's wall time; `time` is for information only; `engine` carried the unit to
    its worker, empty where nobody said so.
    """

    id: str
    unit: Unit
    files: dict[str, File]
    statuses: dict[str, int]
    seconds: float
    worker: str
    host: str
    device: str
    attempt: int
    time: str
    engine: str = ""


@dataclass(frozen=True)
class Failure:
    """A line of an error log: a unit met a system error, which is no result.

    `final` says that its launch did not try again.
    """

    unit: Unit
    message: str
    traceback: str
    attempt: int
    worker: str
    host: str
    time: str
    final: bool = True


@dataclass(frozen=True)
class Journals:
    """All journals of a store, merged; `skipped_lines` counts torn and foreign lines."""

    records: dict[Unit, tuple[Record, ...]]
    skipped_lines: int


def now() -> str:
    """The time in ISO format. Never used in a decision: clocks differ."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def count_statuses(status: np.ndarray) -> dict[str, int]:
    """Count the realisations by status name, in lower case."""
    codes, counts = np.unique(status, return_counts=True)
    return {
        Status(code).name.lower(): count
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    }


def make_record(
    worker: WorkerInfo,
    unit: Unit,
    files: dict[str, File],
    statuses: dict[str, int],
    seconds: float,
    attempt: int,
) -> Record:
    """A record of now, with a fresh id."""
    return Record(
        id=uuid.uuid4().hex,
        unit=unit,
        files=files,
        statuses=statuses,
        seconds=seconds,
        worker=worker.id,
        host=worker.host,
        device=worker.device,
        attempt=attempt,
        time=now(),
        engine=worker.engine,
    )


def hash_file(file: Path) -> File:
    """Size and sha256 of the bytes stored in `file`."""
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def tag(path: Path) -> str:
    """Begins the file names of the store at `path`: those of a deleted one stay behind."""
    return str(check_root(path)["uuid"])[:12]


def journal_folder(path: Path) -> Path:
    """Where the journals of the store at `path` are, and those of a deleted one that was there."""
    return sidecar(path) / "journal"


def has_journals(path: Path) -> bool:
    """Whether there are journals of the store at `path`: else it is a copy, or new."""
    return any(journal_folder(path).glob(f"{tag(path)}-*.jsonl"))


def read_journals(path: Path) -> Journals | None:
    """Merge the journals of the store at `path`; None where it has none.

    Raises:
        StoreError: a journal cannot be read.
    """
    if not has_journals(path):
        return None
    found: dict[str, Record] = {}
    retracted: set[str] = set()
    skipped = 0
    for line in _lines(journal_folder(path), f"{tag(path)}-*.jsonl"):
        try:
            if line is None:
                raise ValueError
            if line["kind"] == "retract":
                retracted.add(str(line["record"]))
            else:
                record = _parse_record(line)
                found[record.id] = record
        except (ValueError, KeyError, TypeError, AttributeError):
            skipped += 1
    records: dict[Unit, tuple[Record, ...]] = {}
    for identifier, record in found.items():
        if identifier not in retracted:
            records[record.unit] = (*records.get(record.unit, ()), record)
    return Journals(records, skipped)


def errors(path: str | Path) -> list[Failure]:
    """Read back the system errors that workers logged; unreadable lines are left out."""
    path = store_path(path)
    failures = []
    for line in _lines(sidecar(path) / "logs", f"{tag(path)}-errors-*.jsonl"):
        try:
            if line is not None and line["kind"] == "error":
                fields = {key: value for key, value in line.items() if key != "kind"}
                fields["unit"] = _parse_unit(line["unit"])
                failures.append(Failure(**fields))
        except (ValueError, KeyError, TypeError):
            continue
    return failures


def _lines(folder: Path, pattern: str) -> Iterable[dict[str, Any] | None]:
    for file in sorted(folder.glob(pattern)):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file}: cannot be read: {error.strerror}") from error
        for raw in filter(bytes.strip, data.splitlines(keepends=True)):
            try:
                line = json.loads(raw) if raw.endswith(b"\n") else None
            except ValueError:
                line = None
            yield line if isinstance(line, dict) else None


def to_line(value: Record | Failure) -> dict[str, Any]:
    """The JSON form of a record or a failure."""
    unit = value.unit
    return {
        "kind": "done" if isinstance(value, Record) else "error",
        **asdict(value),
        "unit": [unit.segment, unit.experiment_block, unit.realisation_block],
    }


def encoded(line: dict[str, Any]) -> bytes:
    """A line of a journal as it is written."""
    return (json.dumps(line, separators=(",", ":")) + "\n").encode()


def _parse_unit(value: Any) -> Unit:
    segment, experiment_block, realisation_block = value
    return Unit(str(segment), int(experiment_block), int(realisation_block))


def _parse_record(line: dict[str, Any]) -> Record:
    fields = {key: value for key, value in line.items() if key != "kind"}
    if line["kind"] != "done":
        raise ValueError(line["kind"])
    fields["unit"] = _parse_unit(line["unit"])
    fields["files"] = {
        name: (int(size), str(digest)) for name, (size, digest) in line["files"].items()
    }
    return Record(**fields)
