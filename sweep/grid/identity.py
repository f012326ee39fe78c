"""Identity of an experiment: a hash of everything that can change a fitted number, never a path."""

from fnmatch import fnmatch
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweep.cache import digest, file_digest
from sweep.clusters import LLOYD_VERSION
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
    return digest({"version": IDENTITY_VERSION, "made_by": _made_by(conf), **scientific(conf)})


def _made_by(conf: SweepConf) -> dict[str, Any]:
    """Code whose every version may give other clusters, or another sky: {name: version}."""
    made_by: dict[str, Any] = {}
    if conf.clusters.name == "kmeans":
        lloyd = conf.clusters.method == "lloyd"
        made_by |= {"lloyd": LLOYD_VERSION} if lloyd else {"jax-healpy": _version("jax-healpy")}
    if conf.sky.name == "pysm":
        made_by["pysm3"] = _version("pysm3")
    return made_by


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=4096)
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
