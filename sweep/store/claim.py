"""A claim file: one process at a time, by name, on any machine that sees the store."""

import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from sweep.errors import StoreError
from sweep.store.files import PARTIAL, writing


@contextmanager
def claimed(file: Path, doing: str) -> Iterator[None]:
    """Hold the claim `file` during the body.

    A claim that a process of this host left when it died is taken over.

    Args:
        file: the claim.
        doing: what its holder does, for the message to another.

    Raises:
        StoreError: another process holds it; the message names it.
    """
    mine = file.with_name(f"{file.name}.{uuid.uuid4().hex}{PARTIAL}")
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text(json.dumps(holder))
        try:
            try:
                os.link(mine, file)  # as O_EXCL, and never seen half written
            except FileExistsError:
                _take_over(file, mine, doing)
        finally:
            mine.unlink(missing_ok=True)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _take_over(file: Path, mine: Path, doing: str) -> None:
    with open(file) as old:
        fcntl.flock(old, fcntl.LOCK_EX)  # of two that find it dead, one
        try:
            holder = json.load(old)
            host, pid, started = holder["host"], int(holder["pid"]), float(holder["started"])
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{file}: not a claim; remove it if nobody {doing}") from None
        unchanged = False
        with suppress(FileNotFoundError):
            unchanged = os.path.samestat(os.fstat(old.fileno()), os.stat(file))
        if not unchanged or host != socket.gethostname() or _alive(pid, started):
            raise StoreError(
                f"{file}: host {host}, pid {pid} {doing}; wait for it, "
                "or remove this file if that process is no more"
            )
        os.replace(mine, file)


def _alive(pid: int, started: float) -> bool:
    """Whether the process still runs, and is not another that was given the same number."""
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 1.0
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
