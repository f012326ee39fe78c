"""What a worker does with a finished unit: chunks to disk, hashes, then one journal line."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sweep.errors import StoreError
from sweep.quantities.table import VARIABLES
from sweep.store.chunks import encode_chunk
from sweep.store.files import fsync, store_path, write_atomic, writing
from sweep.store.journal import Journal
from sweep.store.records import Failure, Record, WorkerInfo, count_statuses, hash_file
from sweep.store.schema import Unit
from sweep.store.segment import Segment, check_root
from sweep.types import Status


def _pass(step: str) -> None:
    """The checkpoint of normal operation."""


class UnitWriter:
    """Writes finished units into published segments; never makes or changes metadata.

    Args:
        path: the store.
        worker: who writes; a fresh name by default.
        checkpoint: called after each step of the protocol with its name ("chunk:<array>",
            "synced", "hashed", "recorded"); for tests of crashes.
    """

    def __init__(
        self,
        path: str | Path,
        worker: WorkerInfo | None = None,
        *,
        checkpoint: Callable[[str], None] = _pass,
    ) -> None:
        self.path = store_path(path)
        check_root(self.path)
        self.worker = worker or WorkerInfo.create()
        self._checkpoint = checkpoint
        self._journal = Journal(self.path, self.worker)
        self._segments: dict[str, Segment] = {}

    def segment(self, name: str) -> Segment:
        """The published segment called `name`, loaded once."""
        if name not in self._segments:
            self._segments[name] = Segment.load(self.path, name)
        return self._segments[name]

    def write(
        self, unit: Unit, arrays: Mapping[str, np.ndarray], *, seconds: float, attempt: int = 1
    ) -> Record:
        """Store `unit` and record it as done.

        Args:
            unit: the unit.
            arrays: every variable of the segment, shaped as `Layout.unit_shape` says, with the
                dtype of `Layout.dtype`.
            seconds: wall time of the unit, s.
            attempt: how many times it was tried, this one included.

        Returns:
            The record, which is on disk.

        Raises:
            StoreError: the arrays do not fit the segment, or the disk refuses; the unit is then
                not recorded.
        """
        segment = self.segment(unit.segment)
        _check(segment, unit, arrays)
        files = {name: segment.chunk_file(unit, name) for name in segment.layout.variables}
        for name, file in files.items():
            segment.array(name)
            data = encode_chunk(arrays[name], segment.layout.chunks(name), VARIABLES[name].fill)
            with writing(file):
                write_atomic(file, data)
            self._checkpoint(f"chunk:{name}")
        for file in files.values():
            with writing(file.parent):
                fsync(file.parent)
        self._checkpoint("synced")
        hashes = {}
        for name, file in files.items():
            with writing(file):
                hashes[name] = hash_file(file)
        self._checkpoint("hashed")
        record = self._journal.done(
            unit, hashes, count_statuses(arrays["status"]), seconds, attempt
        )
        self._checkpoint("recorded")
        return record

    def fail(self, unit: Unit, error: BaseException, attempt: int, final: bool = True) -> Failure:
        """Log that a system error, not a fit, ended this attempt at `unit`; `final` is the last."""
        text = "".join(traceback.format_exception(error))
        message = " ".join(str(error).split()) or type(error).__name__
        line = f"{type(error).__name__}: {message}"
        return self._journal.error(unit, line, text, attempt, final)


def _check(segment: Segment, unit: Unit, arrays: Mapping[str, np.ndarray]) -> None:
    layout = segment.layout
    if set(arrays) != set(layout.variables):
        raise StoreError(
            f"unit {unit}: expected exactly the arrays {sorted(layout.variables)}; "
            f"missing {sorted(set(layout.variables) - set(arrays))}, "
            f"unknown {sorted(set(arrays) - set(layout.variables))}"
        )
    for name, values in arrays.items():
        expected = (layout.unit_shape(name, unit), layout.dtype(name))
        if (values.shape, values.dtype) != expected:
            raise StoreError(
                f"unit {unit}: {name}: expected shape {expected[0]} and {expected[1]}, "
                f"got {values.shape} and {values.dtype}"
            )
    ends = [status for status in Status if status is not Status.PENDING]
    if not np.isin(arrays["status"], ends).all():
        raise StoreError(
            f"unit {unit}: status: expected how each fit ended, one of "
            f"{[int(status) for status in ends]}, got {np.unique(arrays['status']).tolist()}"
        )
