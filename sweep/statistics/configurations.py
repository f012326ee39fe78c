"""The configuration of an experiment of a store, as it was when the store was made."""

import json
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

import xarray as xr

from sweep.config.compose import compose
from sweep.config.restore import restore
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.grid import identity
from sweep.store import ExperimentEntry, Store

_NAMED = 5


def configuration(ds: xr.Dataset, experiment: int) -> SweepConf:
    """What gives the same experiment again.

    Args:
        ds: what `sweep.open` returns.
        experiment: its position in `ds`.

    Raises:
        ConfigError: a file that it was made from is gone or has changed.
        StoreError: the store is gone.
    """
    return _configuration(ds.attrs["path"], str(ds["identity"].values[experiment]))


def imported_settings(ds: xr.Dataset, experiment: int) -> dict[str, Any] | None:
    """What is known of the settings of an imported experiment; None for one that was fitted here.

    Args:
        ds: what `sweep.open` returns.
        experiment: its position in `ds`.
    """
    settings = json.loads(ds.attrs["base"])
    for name, coordinate in ds.coords.items():
        if coordinate.dims == ("experiment",):
            settings[str(name)] = coordinate.values[experiment]
    if not settings.get("imported.program"):
        return None
    return {key: value for key, value in settings.items() if value == value and value != ""}


def experiment_of(ds: xr.Dataset, label: str) -> int:
    """Position of an experiment in `ds`, from its label or any unambiguous beginning of it.

    Raises:
        ConfigError: no experiment, or more than one, begins so.
    """
    identities = [str(v) for v in ds["identity"].values]
    fitting = [i for i, v in enumerate(identities) if label and v.startswith(label.lower())]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        some = ", ".join(identities[i][:8] for i in fitting[:_NAMED])
        raise ConfigError(
            f"experiment {label}: {len(fitting)} labels begin so, among them {some}: "
            "give more characters"
        )
    labels = [v[:8] for v in identities]
    close = get_close_matches(label.lower(), labels, _NAMED, cutoff=0.5) or labels[:_NAMED]
    raise ConfigError(
        f"experiment {label!r}: not in the store; close to it are {', '.join(close)}; "
        "sweep-store summary lists all"
    )


@lru_cache(maxsize=256)
def _configuration(path: str, wanted: str) -> SweepConf:
    entries = _entries(path)
    if wanted not in entries:  # the store has grown since
        _entries.cache_clear()
        entries = _entries(path)
    if wanted not in entries:
        raise ConfigError(f"{path} has no experiment {wanted}")
    config = entries[wanted].config
    if (folder := config.get("imported.from")) is not None:
        source = f"imported from {config['imported.program']}: {folder}"
        raise ConfigError(f"experiment {wanted[:8]} was {source}; it cannot be made again")
    conf = restore(config, _usual())
    if identity(conf) != wanted:
        raise ConfigError(
            f"experiment {wanted[:8]}: a file that it was made from has changed since; "
            f"its settings: {json.dumps(config)}"
        )
    return conf


@lru_cache(maxsize=2)
def _entries(path: str) -> dict[str, ExperimentEntry]:
    segments = Store(path).segments.values()
    return {entry.identity: entry for s in segments for entry in s.spec.experiments}


@cache
def _usual() -> SweepConf:
    return compose([])
