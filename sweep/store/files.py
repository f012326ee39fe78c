"""Durable file primitives: nothing appears under its final name before it is on disk."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.errors import StoreError
from sweep.paths import is_address, located

PARTIAL = ".partial"
"""Suffix of temporary files and folders; what a killed process leaves ends with it."""

_REASONS = {
    errno.EACCES: "no write permission",
    errno.EPERM: "no write permission",
    errno.EROFS: "the file system is read-only",
    errno.EDQUOT: "the disk quota is used up",
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way of a folder",
    errno.EISDIR: "a folder is in the way of a file",
}


def store_path(path: str | Path) -> Path:
    """Where the store `path` is itself, whatever links lead there: what is beside it counts.

    Raises:
        StoreError: it is an address.
    """
    if is_address(path):
        raise StoreError(f"{path}: is an address; a store is a folder here, copy it to a disk")
    return located(path)


def sidecar(path: Path) -> Path:
    """Return the operational folder beside the store `path`, a `store_path`."""
    return path.with_name(path.name + ".sweep")


def _nearest_folder(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def explain(error: OSError, path: Path) -> StoreError:
    """Turn an `OSError` met at `path` into one line that names the path and the reason."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    if error.errno == errno.ENOSPC:
        usage = os.statvfs(_nearest_folder(path))
        few_inodes = usage.f_files > 0 and usage.f_favail < 16
        reason = "no inodes left (too many files)" if few_inodes else "the disk is full"
    return StoreError(
        f"cannot write {path}: {reason}; mend that and run the same command again, "
        "what was recorded is kept"
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report any `OSError` of the body as a `StoreError` about `path`."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def fsync(path: Path) -> None:
    """Force one file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Force a folder, its files and its subfolders to disk, the innermost first."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            fsync(Path(parent, name))
        fsync(Path(parent))


def write_atomic(path: Path, data: bytes) -> None:
    """Put `data` on disk under `path` by one rename. The caller fsyncs the folder."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make `folder` and its parents, on disk; if the body fails, remove those that stayed empty."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            fsync(made.parent)
        yield
    except BaseException:
        for made in missing:
            try:
                made.rmdir()
            except OSError:
                break
        raise


@contextmanager
def folder_published(beside: Path, final: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill in `beside`; on success rename it to `final`.

    Where `final` is already a filled folder, another process won: ours is discarded.
    """
    temporary = beside / f"{final.name}.{uuid.uuid4().hex}{PARTIAL}"
    temporary.mkdir()
    try:
        yield temporary
        fsync_tree(temporary)
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            fsync(final.parent)
            fsync(beside)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
