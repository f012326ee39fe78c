"""Append-only journals, one a worker: a unit is done when, and only when, a line says so."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sweep.errors import StoreError
from sweep.store.files import folder_made, folder_published, fsync, sidecar, writing
from sweep.store.records import (
    Failure,
    File,
    Record,
    WorkerInfo,
    count_statuses,
    hash_file,
    make_record,
    now,
    tag,
    to_line,
)
from sweep.store.schema import Unit
from sweep.store.segment import Segment, load_segments


class LineWriter:
    """Appends JSON lines to one file that nobody else writes; each is on disk on return."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._torn = False

    def append(self, line: dict[str, Any]) -> None:
        """Append one line by one write.

        Raises:
            StoreError: it cannot be written whole; the line then does not count.
        """
        data = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        with writing(self.file):
            fresh = not self.file.exists()
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                # A torn line must not swallow the one that follows it.
                prefix = b"\n" if self._torn else b""
                self._torn = True
                written = os.write(descriptor, prefix + data)
                if written != len(prefix + data):
                    raise OSError(28, os.strerror(28), str(self.file))
                os.fsync(descriptor)
                self._torn = False
            finally:
                os.close(descriptor)
            if fresh:
                fsync(self.file.parent)


class Journal:
    """This worker's journal and error log, beside the store at `path`."""

    def __init__(self, path: Path, worker: WorkerInfo) -> None:
        self.worker = worker
        aside = sidecar(path)
        with writing(aside), folder_made(aside):
            _adopt(path, worker)
            with folder_made(aside / "logs"):
                pass
        self._records = LineWriter(aside / "journal" / f"{tag(path)}-{worker.id}.jsonl")
        self._errors = LineWriter(aside / "logs" / f"{tag(path)}-errors-{worker.id}.jsonl")

    def done(
        self,
        unit: Unit,
        files: dict[str, File],
        statuses: dict[str, int],
        seconds: float,
        attempt: int,
    ) -> Record:
        """Record that `unit` is done; on return it is."""
        record = make_record(self.worker, unit, files, statuses, seconds, attempt)
        self._records.append(to_line(record))
        return record

    def retract(self, records: Iterable[Record], reason: str) -> None:
        """Take records back: their units are to be redone."""
        for record in records:
            self._records.append(
                {
                    "kind": "retract",
                    "record": record.id,
                    "reason": reason,
                    "worker": self.worker.id,
                    "time": now(),
                }
            )

    def error(
        self, unit: Unit, message: str, traceback: str, attempt: int, final: bool = True
    ) -> Failure:
        """Log that `unit` met a system error; `message` is one line."""
        worker = self.worker
        failure = Failure(unit, message, traceback, attempt, worker.id, worker.host, now(), final)
        self._errors.append(to_line(failure))
        return failure


def _adopt(path: Path, worker: WorkerInfo) -> None:
    """Make the journal folder; a copied store first gets records of its sealed, sound units.

    The folder appears with these records or not at all, because once it is there the sealed
    masks no longer count.
    """
    aside = sidecar(path)
    if (aside / "journal").is_dir():
        return
    with folder_published(aside, aside / "journal") as temporary:
        journal = LineWriter(temporary / f"{tag(path)}-adopted-{worker.id}.jsonl")
        journal.file.touch()
        for segment in load_segments(path):
            for unit in segment.sealed_units():
                if files := _sound_files(segment, unit):
                    statuses = count_statuses(segment.read_chunk(unit, "status"))
                    journal.append(to_line(make_record(worker, unit, files, statuses, 0.0, 0)))


def _sound_files(segment: Segment, unit: Unit) -> dict[str, File]:
    try:
        for name in segment.layout.variables:
            segment.read_chunk(unit, name)
    except StoreError:
        return {}
    return {name: hash_file(segment.chunk_file(unit, name)) for name in segment.layout.variables}
