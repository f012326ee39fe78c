"""Append-only journals, one a worker: a unit is done when, and only when, a line says so."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sweep.errors import StoreError
from sweep.store.files import folder_made, fsync, sidecar, write_atomic, writing
from sweep.store.records import (
    Failure,
    File,
    Record,
    WorkerInfo,
    count_statuses,
    encoded,
    has_journals,
    hash_file,
    journal_folder,
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
        data = encoded(line)
        with writing(self.file):
            fresh = not self.file.exists()
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
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
            for folder in (journal_folder(path), aside / "logs"):
                with folder_made(folder):
                    pass
            _adopt(path, worker)
        self._records = LineWriter(journal_folder(path) / f"{tag(path)}-{worker.id}.jsonl")
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
    """Where a copied store has no journals yet, record its sealed, sound units.

    In one file that appears whole, because once a journal is there the sealed masks no longer
    count. Workers that adopt at once each write it; equal records do no harm.
    """
    if has_journals(path):
        return
    sealed = [(segment, unit) for segment in load_segments(path) for unit in segment.sealed_units()]
    records = [
        make_record(worker, unit, files, count_statuses(segment.read_chunk(unit, "status")), 0.0, 0)
        for segment, unit in sealed
        if (files := _sound_files(segment, unit))
    ]
    if sealed:
        folder = journal_folder(path)
        file = folder / f"{tag(path)}-adopted-{worker.id}.jsonl"
        write_atomic(file, b"".join(encoded(to_line(record)) for record in records))
        fsync(folder)


def _sound_files(segment: Segment, unit: Unit) -> dict[str, File]:
    try:
        for name in segment.layout.variables:
            segment.read_chunk(unit, name)
    except StoreError:
        return {}
    return {name: hash_file(segment.chunk_file(unit, name)) for name in segment.layout.variables}
