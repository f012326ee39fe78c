"""A configuration from what a store keeps of it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import MISSING as MISSING_FACTORY
from dataclasses import fields
from functools import reduce
from typing import Any

from omegaconf import MISSING

from sweep.config.checks import can_be_absent, settings
from sweep.config.schema import GROUPS, SweepConf
from sweep.config.scientific import is_operational
from sweep.errors import ConfigError


def restore(entry: Mapping[str, Any], like: SweepConf) -> SweepConf:
    """The configuration that `entry` was kept of.

    Args:
        entry: {dotted key: value}, as `ExperimentEntry.config`.
        like: gives the settings that no store keeps, because they change no number.

    Raises:
        ConfigError: this version has no such settings.
    """
    conf = deepcopy(like)
    for name, schemas in GROUPS.items():
        kept = {k.removeprefix(f"{name}."): v for k, v in entry.items() if k.startswith(f"{name}.")}
        if len(schemas) > 1:
            setattr(conf, name, _chosen(name, schemas, kept, getattr(like, name)))
        _nest(getattr(conf, name), kept)
        for key, _, metadata in settings(getattr(conf, name)):
            if key not in kept and can_be_absent(metadata):
                _set(conf, name, key, metadata["absent"])
        for key, value in kept.items():
            _set(conf, name, key, value)
    return conf


def _nest(group: Any, kept: Mapping[str, Any]) -> None:
    """Have of the nested settings that may be absent those that were kept."""
    for item in fields(group):
        make: Any = item.default_factory
        if can_be_absent(item.metadata) and make is not MISSING_FACTORY:
            some = any(key.startswith(f"{item.name}.") for key in kept)
            setattr(group, item.name, make() if some else None)


def _set(conf: SweepConf, name: str, key: str, value: Any) -> None:
    *path, last = key.split(".")
    group: Any = reduce(getattr, path, getattr(conf, name))
    if not hasattr(group, last):
        raise ConfigError(f"{name}.{key}: this version has no such setting")
    setattr(group, last, value)


def _chosen(name: str, schemas: Mapping[str, type], kept: Mapping[str, Any], like: Any) -> Any:
    """A group of the schema that has exactly these settings, with those of `like` not kept."""
    for schema in schemas.values():
        group = schema()
        known = {key: metadata for key, _, metadata in settings(group)}
        unkept = {key for key in known if is_operational(f"{name}.{key}")}
        needed = {key for key, metadata in known.items() if not can_be_absent(metadata)} - unkept
        if needed <= set(kept) <= set(known) and group.name in (MISSING, kept["name"]):
            for key in unkept:
                setattr(group, key, getattr(like, key))
            return group
    raise ConfigError(f"{name}: this version has none with the settings {', '.join(sorted(kept))}")
