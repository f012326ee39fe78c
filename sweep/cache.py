"""A content-addressed cache of arrays on disk, safe for many processes at once."""

import contextlib
import hashlib
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from glob import escape, glob
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from sweep.errors import ConfigError
from sweep.npz import loaded
from sweep.paths import check_home, located, refuse_address

Arrays = dict[str, np.ndarray]


def usual_folder() -> str:
    """$SKYSWEEP_CACHE, or ~/.cache/skysweep, as a user gives it."""
    return os.environ.get("SKYSWEEP_CACHE") or "~/.cache/skysweep"


def cache_folder(given: str | None = None) -> Path:
    """Where arrays are kept for who has no configuration: `given`, or the usual folder.

    Raises:
        ConfigError: it is an address, or below a home that is not there.
    """
    folder = given or usual_folder()
    refuse_address("cache" if given else "SKYSWEEP_CACHE", folder)
    if folder.startswith("~"):
        check_home()
    return located(folder)


@dataclass(frozen=True)
class Cache:
    """A folder of npz files, each named by the digest of what it was computed from.

    Two processes that miss the same entry both build it and write the same content; the
    entry appears at once, by rename, so that no reader ever sees half a file.

    Attributes:
        path: The folder; created on the first write.
    """

    path: Path

    def get(self, kind: str, key: Mapping[str, Any], build: Callable[[], Arrays]) -> Arrays:
        """Arrays for `key`: read where they were built before, else built and kept.

        Args:
            kind: What is computed; a short word, part of the file name.
            key: Everything that the result depends on; see `canonical_json`.
            build: Computes the named arrays. Called on a miss or a damaged file.

        Returns:
            The arrays, bit for bit those that `build` returned.

        Raises:
            ConfigError: The folder cannot be written, or `key` has no canonical JSON.
        """
        name = digest({"kind": kind, "key": key})[:16]
        target = Path(self.path) / f"{kind}-{name}.npz"
        arrays = _read(target)
        if arrays is None:
            arrays = {name: np.asarray(array) for name, array in build().items()}
            self._write(target, arrays)
        return arrays

    def _write(self, target: Path, arrays: Arrays) -> None:
        if any(array.dtype.hasobject for array in arrays.values()):
            raise TypeError(f"{target.name}: object arrays are not kept, they need pickle")
        partial = target.with_name(f".{target.stem}.{uuid.uuid4().hex}.tmp")
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
            os.replace(partial, target)
        except OSError as error:
            raise ConfigError(
                f"cache {self.path} cannot be written: {error.strerror}; name another folder"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


def usual_cache() -> Cache:
    """The cache in the usual folder.

    Raises:
        ConfigError: see `cache_folder`.
    """
    return Cache(cache_folder())


def canonical_json(obj: Any) -> str:
    """The one JSON text of `obj`: sorted keys, no spaces, shortest exact floats.

    Numpy scalars, numpy arrays, tuples and paths are written as their JSON counterparts.

    Raises:
        ConfigError: `obj` holds a NaN, an infinity, or something JSON has no word for.
    """
    try:
        return json.dumps(
            obj, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"no canonical JSON: {error}") from error


def digest(obj: Any) -> str:
    """The sha256 of `canonical_json(obj)`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(obj).encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """The sha256 of a file's content, 64 hexadecimal digits.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def content_digest(key: str, path: str | Path) -> str:
    """`file_digest` of the file that a setting names, made again when its size or time changes.

    Raises:
        ConfigError: There is no such file, or it cannot be read; `key` is named.
    """
    try:
        state = Path(path).stat()
        return _content(str(path), state.st_size, state.st_mtime_ns)
    except FileNotFoundError:
        raise ConfigError(f"{key} = {path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{key} = {path}: cannot be read: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"{key} = {error}") from None


def files_digest(key: str, pattern: str) -> dict[str, str]:
    """`content_digest` of all files of a path with braces, by what stands for these.

    Raises:
        ConfigError: There is none, or the braces are wrong; `key` is named.
    """
    try:
        parts = [text for text, *_ in Formatter().parse(pattern)]
    except ValueError as error:
        raise ConfigError(f"{key} = {pattern}: {error}") from None
    end = "*" if pattern.endswith("}") else ""
    found = sorted(glob("*".join(map(escape, parts)) + end))
    if not found:
        raise ConfigError(f"{key} = {pattern}: there is no file of this kind")
    return {path.removeprefix(parts[0]): content_digest(key, path) for path in found}


@lru_cache(maxsize=65536)
def _content(path: str, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the cache key only
    return file_digest(path)


def _read(path: Path) -> Arrays | None:
    try:
        with loaded(path) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
        return None


def _plain(obj: Any) -> Any:
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return obj.tolist()
    if isinstance(obj, Mapping):
        return dict(obj)
    if isinstance(obj, Path):
        return str(obj)
    raise TypeError(f"{type(obj).__name__} is no plain value")
