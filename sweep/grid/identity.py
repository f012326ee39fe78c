"""Identity of an experiment: a hash of everything that can change a fitted number, never a path."""

from fnmatch import fnmatch
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweep.cache import digest, file_digest
from sweep.clusters import LLOYD_VERSION
from sweep.config.checks import is_absent, settings
from sweep.config.schema import GROUPS, SweepConf
from sweep.errors import ConfigError

IDENTITY_VERSION = 2
"""Raised when the meaning of a setting changes, so that older experiments are not mistaken."""

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


class Groups:
    """Settings and digests of the groups of many configurations.

    The points of a grid share most groups; one that was seen before is known by its object, so
    none may be changed meanwhile.
    """

    def __init__(self) -> None:
        # keeps what it knows alive: an id is an object's own only while that exists
        self._known: dict[int, tuple[Any, str, dict[str, Any]]] = {}

    def digest(self, conf: SweepConf, name: str) -> str:
        """sha256 (hex) of everything in the group `name` that can change a fitted number.

        Raises:
            ConfigError: a file that the configuration names does not exist.
        """
        return self._look(getattr(conf, name), name)[1]

    def entry(self, conf: SweepConf) -> dict[str, Any]:
        """What a store keeps of a configuration: {dotted key: value}."""
        kept: dict[str, Any] = {}
        for name in GROUPS:
            kept |= self._look(getattr(conf, name), name)[2]
        return kept

    def identity(self, conf: SweepConf) -> str:
        """See `identity`."""
        parts = {name: self.digest(conf, name) for name in GROUPS}
        return digest({"version": IDENTITY_VERSION, **parts})

    def _look(self, group: Any, name: str) -> tuple[Any, str, dict[str, Any]]:
        known = self._known.get(id(group))
        if known is None:
            prefix = f"{name}."
            made_by = digest({"made_by": _made_by(name, group), **scientific(group, prefix)})
            flat = _kept(group, prefix)
            kept = {key: value for key, value in flat.items() if not matches(key, OPERATIONAL)}
            known = self._known[id(group)] = (group, made_by, kept)
        return known


def identity(conf: SweepConf) -> str:
    """sha256 (hex) of an experiment: of the digests of its groups of settings.

    Raises:
        ConfigError: a file that the configuration names does not exist.
    """
    return Groups().identity(conf)


def _made_by(name: str, group: Any) -> dict[str, Any]:
    """Code whose every version may give other clusters, or another sky: {name: version}."""
    if name == "clusters" and group.name == "kmeans":
        lloyd = group.method == "lloyd"
        return {"lloyd": LLOYD_VERSION} if lloyd else {"jax-healpy": _version("jax-healpy")}
    if name == "sky" and group.name == "pysm":
        return {"pysm3": _version("pysm3")}
    return {}


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
    flat = _kept(conf, prefix)
    if flat.get("instrument.path"):
        flat = {k: v for k, v in flat.items() if k not in _REPLACED_BY_FILE}
    return {
        key: content(key, value) if key.endswith(".path") and value is not None else value
        for key, value in flat.items()
        if not matches(key, NOT_SCIENTIFIC)
    }


def _kept(conf: Any, prefix: str) -> dict[str, Any]:
    """Settings by dotted key, without those that older experiments lack and that say nothing."""
    found = settings(conf, prefix)
    return {key: value for key, value, metadata in found if not is_absent(value, metadata)}


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
