"""Which settings can change a fitted number."""

from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

from sweep.cache import file_digest
from sweep.config.checks import is_absent, settings
from sweep.errors import ConfigError

OPERATIONAL = (
    "noise.realisations",
    "noise.noiseless",
    "store.*",
    "fit.block",
    "fit.experiments",
    "fail_fast",
    "plan",
)
"""Settings that change how much is computed, where or how fast, but no fitted number."""

NOT_SCIENTIFIC = (*OPERATIONAL, "instrument.source")
"""Settings that are no part of an experiment's identity."""

_REPLACED_BY_FILE = ("instrument.name", "instrument.frequency", "instrument.depth_p")

_FILES = ("*.path", "instrument.bandpass")
"""Settings that name files."""

_NUMBERS = ("instrument.errors.*",)
"""Settings of a number or a list of them, which Hydra may give as integers."""


def scientific(conf: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that can change a fitted number, {dotted key: value}; files by content."""
    flat = _present(conf, prefix)
    if flat.get("instrument.path"):
        flat = {k: v for k, v in flat.items() if k not in _REPLACED_BY_FILE}
    return {
        key: _meant(key, value) for key, value in flat.items() if not _matches(key, NOT_SCIENTIFIC)
    }


def recorded(conf: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that a store keeps of an experiment, {dotted key: value}; files by path."""
    flat = _present(conf, prefix)
    return {key: value for key, value in flat.items() if not _matches(key, OPERATIONAL)}


def _present(conf: Any, prefix: str) -> dict[str, Any]:
    """Settings by dotted key, without those that older experiments lack and that say nothing."""
    found = settings(conf, prefix)
    return {key: value for key, value, metadata in found if not is_absent(value, metadata)}


@lru_cache(maxsize=4096)
def _matches(key: str, patterns: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of `patterns`."""
    return any(fnmatch(key, pattern) for pattern in patterns)


def _meant(key: str, value: Any) -> Any:
    """What a value stands for: a file for its content, an integer for a number."""
    if isinstance(value, list):
        of = f"{key}[{{}}]" if _matches(key, _FILES) else key
        return [_meant(of.format(i), each) for i, each in enumerate(value)]
    if value is None:
        return None
    if _matches(key.partition("[")[0], _FILES):
        return _digest(key, value)
    return float(value) if _matches(key, _NUMBERS) else value


def _digest(key: str, path: str) -> str:
    """Hash of the file at `path`; hashed again only when its size or time changes.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    try:
        state = Path(path).stat()
        return _content(path, state.st_size, state.st_mtime_ns)
    except FileNotFoundError:
        raise ConfigError(f"{key} = {path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{key} = {path}: cannot be read: {error.strerror}") from None
    except ConfigError as error:
        raise ConfigError(f"{key} = {error}") from None


@lru_cache(maxsize=256)
def _content(path: str, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the cache key only
    return file_digest(path)
