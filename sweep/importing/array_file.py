"""npy and npz files of others: numbers of a known shape, or one line that says what is wrong."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sweep.errors import ConfigError
from sweep.npz import loaded, reason

_DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)

Shape = tuple[int | str, ...]
"""Lengths of the axes; a name where any length will do."""


class ArrayFile:
    """An open npz file, of which only what is asked for is read."""

    def __init__(self, path: Path, arrays: np.lib.npyio.NpzFile) -> None:
        self.path = path
        self._arrays = arrays

    def __contains__(self, key: str) -> bool:
        return key in self._arrays.files

    def read(self, key: str, *shapes: Shape) -> np.ndarray:
        """The array `key`, float64.

        Raises:
            ConfigError: it is missing or damaged, holds no numbers, or has none of `shapes`.
        """
        if key not in self:
            there = ", ".join(self._arrays.files) or "nothing"
            raise ConfigError(f"{self.path}: {key} is missing; the file has {there}")
        with _reading(self.path):
            array = self._arrays[key]
        return _numbers(f"{self.path}: {key}", array, shapes)


@contextmanager
def opened(path: Path) -> Iterator[ArrayFile]:
    """The npz file at `path`, open during the body.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    with _loaded(path) as arrays:
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ConfigError(f"{path}: expected an npz file, got a single array")
        with arrays:
            yield ArrayFile(path, arrays)


def read_array(path: Path, *shapes: Shape) -> np.ndarray:
    """The array of an npy file, float64.

    Raises:
        ConfigError: as `ArrayFile.read`.
    """
    with _loaded(path) as array:
        if not isinstance(array, np.ndarray):
            array.close()
            raise ConfigError(f"{path}: expected an npy file, got several arrays")
        return _numbers(str(path), array, shapes)


@contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        with _reading(path):
            found = stack.enter_context(loaded(path))
        yield found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error


def _numbers(name: str, array: np.ndarray, shapes: tuple[Shape, ...]) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise ConfigError(f"{name}: expected real numbers, got {array.dtype}")
    if not array.size or not any(_fits(array.shape, shape) for shape in shapes):
        expected = " or ".join(map(_text, shapes))
        raise ConfigError(f"{name}: expected shape {expected}, got {array.shape}")
    return np.asarray(array, np.float64)


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    return len(found) == len(shape) and all(
        isinstance(wanted, str) or wanted == n for n, wanted in zip(found, shape, strict=True)
    )
