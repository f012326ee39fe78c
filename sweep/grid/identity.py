"""Identity of an experiment: a hash of everything that can change a fitted number, never a path."""

from fnmatch import fnmatch
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweep.cache import digest, file_digest
from sweep.config.checks import flatten
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError

IDENTITY_VERSION = 1
"""Raised when the meaning of a setting changes, so that older experiments are not mistaken."""

OPERATIONAL = ("noise.realisations", "noise.noiseless", "store.*", "fit.block", "fail_fast")
"""Settings that change how much is computed, where or how fast, but no fitted number."""

NOT_SCIENTIFIC = (*OPERATIONAL, "instrument.source")
"""Settings that are no part of an experiment's identity."""

_REPLACED_BY_FILE = ("instrument.name", "instrument.frequency", "instrument.depth_p")


def identity(conf: SweepConf) -> str:
    """sha256 (hex) of the canonical JSON of `scientific(conf)`.

    Raises:
        ConfigError: a file that the configuration names does not exist.
    """
    made_by = {name: _version(name) for name in _makers(conf)}
    return digest({"version": IDENTITY_VERSION, "made_by": made_by, **scientific(conf)})


def _makers(conf: SweepConf) -> list[str]:
    """Packages whose every version may give other clusters, or another sky."""
    kmeans = ["jax-healpy"] if conf.clusters.name == "kmeans" else []
    return kmeans + (["pysm3"] if conf.sky.name == "pysm" else [])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def matches(key: str, patterns: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of `patterns`."""
    return any(fnmatch(key, pattern) for pattern in patterns)


def scientific(conf: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that can change a fitted number, {dotted key: value}; files by content."""
    flat = {f"{prefix}{key}": value for key, value in flatten(conf).items()}
    if flat.get("instrument.path"):
        flat = {k: v for k, v in flat.items() if k not in _REPLACED_BY_FILE}
    return {
        key: content(key, value) if key.endswith(".path") and value is not None else value
        for key, value in flat.items()
        if not matches(key, NOT_SCIENTIFIC)
    }


def content(key: str, path: str) -> str:
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
