"""What is kept on this machine beside stores: arrays by content, and compiled programs.

Everything here is made anew where it is missing, so that any of it may be removed at any time: who
has a file open goes on reading it, and who finds none computes.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import ConfigError

PROGRAMS = "compiled programs"
UNFINISHED = "unfinished"
TEMPLATES = "templates of PySM"

RECENT = 600.0
"""Seconds; what was used since then is not pruned, as a process may be about to open it."""

_ARRAYS = re.compile(r"(?P<kind>[a-z][a-z0-9-]*)-[0-9a-f]{16}\.npz")
_PARTIAL = re.compile(r"\.[a-z][a-z0-9-]*-[0-9a-f]{16}\.[0-9a-f]{32}\.tmp")
_PROGRAM, _LAST_USE = "-cache", "-atime"
"""Endings of jax's files: a program, and the time of its last use."""


@dataclass(frozen=True)
class Entry:
    """Something that is kept.

    Attributes:
        kind: what it is.
        files: that make it, in the order in which they may be removed.
        bytes: of all its files.
        used: when it was made or used last, in seconds since 1970.
    """

    kind: str
    files: tuple[Path, ...]
    bytes: int
    used: float


def entries(folder: Path) -> list[Entry]:
    """What a cache of ours, or of jax, holds; files of others in the same folder are left out.

    Raises:
        ConfigError: the folder cannot be read.
    """
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"cache {folder} cannot be read: {error.strerror}") from error
    return [entry for file in files if (entry := _entry(file)) is not None]


def templates(folder: Path) -> list[Entry]:
    """What PySM has downloaded, in astropy's cache of downloads: not ours to prune."""
    return [
        entry
        for address in sorted(folder.glob("url/*/url"))
        if "pysm" in address.read_text(errors="replace")
        and (entry := _made_of(TEMPLATES, address.with_name("contents"), address)) is not None
    ]


def prunable(
    kept: Iterable[Entry], older: float | None = None, larger: float | None = None
) -> list[Entry]:
    """What exceeds the bounds, and was not used within `RECENT`; the longest unused first.

    Args:
        kept: entries of all folders that the bounds are of.
        older: seconds; what was used last before that is too old.
        larger: bytes; what was used longest ago is too much.
    """
    now = time.time()
    by_use = sorted(kept, key=lambda entry: entry.used)
    surplus = 0.0 if larger is None else sum(entry.bytes for entry in by_use) - larger
    chosen = []
    for entry in by_use:
        age = now - entry.used
        if age < RECENT:
            break
        if (older is not None and age >= older) or surplus > 0:
            chosen.append(entry)
            surplus -= entry.bytes
    return chosen


def remove(chosen: Iterable[Entry]) -> Iterator[Entry]:
    """Remove entries; gives those that are gone.

    Raises:
        ConfigError: one cannot be removed.
    """
    for entry in chosen:
        for file in entry.files:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise ConfigError(f"{file} cannot be removed: {error.strerror}") from error
        yield entry


def _entry(file: Path) -> Entry | None:
    if arrays := _ARRAYS.fullmatch(file.name):
        return _made_of(arrays["kind"], file)
    if _PARTIAL.fullmatch(file.name):
        return _made_of(UNFINISHED, file)
    if file.name.endswith(_PROGRAM):
        return _made_of(PROGRAMS, file, file.with_name(file.name[: -len(_PROGRAM)] + _LAST_USE))
    return None


def _made_of(kind: str, *files: Path) -> Entry | None:
    there = []
    for file in files:
        try:
            there.append((file, file.stat()))
        except OSError:  # another process removed it, or jax has not written it yet
            continue
    if not there or there[0][0] != files[0]:
        return None
    return Entry(
        kind,
        tuple(file for file, _ in there),
        sum(found.st_size for _, found in there),
        max(max(found.st_mtime, found.st_atime) for _, found in there),
    )
