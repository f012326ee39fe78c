"""Which settings can change a fitted number."""

from fnmatch import fnmatch
from functools import lru_cache
from typing import Any

from sweep.cache import content_digest, files_digest
from sweep.config.checks import is_absent, names_files, settings

OPERATIONAL = (
    "noise.realisations",
    "noise.noiseless",
    "store.*",
    "fit.block",
    "fit.experiments",
    "fail_fast",
    "plan",
    "objective",
)
"""Settings that change how much is computed, where or how fast, but no fitted number."""

NOT_SCIENTIFIC = (*OPERATIONAL, "instrument.source")
"""Settings that are no part of an experiment's identity."""

_REPLACED_BY_FILE = (
    "instrument.name",
    "instrument.frequency",
    "instrument.depth_p",
)

_FILES = ("*.path", "instrument.bandpass", "noise.rms")
"""Settings that name files."""

_NUMBERS = ("instrument.errors.*",)
"""Settings of a number or a list of them, which Hydra may give as integers."""


def scientific(conf: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that can change a fitted number, {dotted key: value}; files by content.

    Of files by realisation it is only said that there are any: each fit stores what they held.
    """
    flat, by_realisation = _present(conf, prefix), files_by_realisation(conf, prefix)
    if flat.get("instrument.path"):
        flat = {k: v for k, v in flat.items() if k not in _REPLACED_BY_FILE}

    def meant(key: str, value: Any) -> Any:
        return True if key in by_realisation else _meant(key, value)

    return {k: meant(k, v) for k, v in flat.items() if not _matches(k, NOT_SCIENTIFIC)}


def files_by_realisation(conf: Any, prefix: str = "") -> dict[str, str]:
    """The settings that name a file for every realisation, {dotted key: path with braces}."""
    found = settings(conf, prefix)
    return {key: value for key, value, metadata in found if names_files(metadata) and value}


def recorded(conf: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that a store keeps of an experiment, {dotted key: value}; files by path."""
    flat = _present(conf, prefix)
    return {key: value for key, value in flat.items() if not is_operational(key)}


def is_operational(key: str) -> bool:
    """Whether a dotted key is one of `OPERATIONAL`, which a store does not keep."""
    return _matches(key, OPERATIONAL)


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
        return files_digest(key, value) if "{" in value else content_digest(key, value)
    return float(value) if _matches(key, _NUMBERS) else value
