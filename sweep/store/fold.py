"""Folding: the journals of all workers become one, while workers go on writing theirs."""

import json
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from sweep.store.files import PARTIAL, fsync, write_atomic, writing
from sweep.store.records import encoded, journal_folder, tag

SETTLE = 0.2
"""Seconds that a worker has between opening its journal and having written its line."""


def append(file: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Append many lines to a journal that nobody else writes; on return they are on disk."""
    with writing(file):
        with open(file, "ab") as journal:
            journal.writelines(map(encoded, lines))
            journal.flush()
            os.fsync(journal.fileno())
        fsync(file.parent)


def fold(path: Path, gone: Collection[str], checkpoint: Callable[[str], None]) -> int:
    """Write what counts of all journals of the store at `path` into one, and remove them.

    A worker opens its journal anew for every line. So each journal is first renamed, still under
    a name that readers look at: later lines of its worker go to a new file of the old name, and
    the renamed one is at rest once lines that were under way have arrived.

    Args:
        path: the store.
        gone: segments that were replaced; a late record of one says nothing.
        checkpoint: called after each step with its name.

    Returns:
        The number of journals that went into one; 0 where there was nothing to fold.
    """
    folder = journal_folder(path)
    prefix = tag(path)
    with writing(folder):
        for torn in folder.glob(f"{prefix}-folded-*{PARTIAL}"):
            torn.unlink()
        journals = sorted(folder.glob(f"{prefix}-*.jsonl"))
        if len(journals) < 2:
            return 0
        resting = [
            journal.rename(folder / f"{prefix}-resting-{uuid.uuid4().hex}.jsonl")
            for journal in journals
        ]
        checkpoint("resting")
        time.sleep(SETTLE)
        records, needed, spent = _living(resting, gone)
        folded = folder / f"{prefix}-folded-{uuid.uuid4().hex}.jsonl"
        write_atomic(folded, b"".join(map(encoded, records + needed + spent)))
        fsync(folder)
        checkpoint("folded")
        for journal in resting:
            journal.unlink()
        fsync(folder)
        checkpoint("removed")
        # only now: a record that was taken back must not outlive its retraction
        write_atomic(folded, b"".join(map(encoded, records + needed)))
        fsync(folder)
    return len(resting)


_Lines = list[dict[str, Any]]


def _living(journals: list[Path], gone: Collection[str]) -> tuple[_Lines, _Lines, _Lines]:
    """Records that count, retractions of records in other journals, and those of these."""
    done: dict[str, dict[str, Any]] = {}
    retracted: dict[str, dict[str, Any]] = {}
    for journal in journals:
        for raw in journal.read_bytes().splitlines(keepends=True):
            try:
                line = json.loads(raw) if raw.endswith(b"\n") else {}
                if line["kind"] == "retract":
                    retracted[line["record"]] = line
                elif line["kind"] == "done":
                    done[line["id"]] = line
            except (ValueError, KeyError, TypeError):
                continue  # torn: it never counted
    return (
        [i for key, i in done.items() if key not in retracted and i["unit"][0] not in gone],
        [line for key, line in retracted.items() if key not in done],
        [line for key, line in retracted.items() if key in done],
    )
