"""What experiments of a grid have in common is made once."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache, lru_cache, wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from sweep.cache import canonical_json
from sweep.config.checks import names_files
from sweep.config.schema import SweepConf
from sweep.config.scientific import files_by_realisation, scientific

Made = TypeVar("Made")


def shared(
    *groups: str, most: int
) -> Callable[[Callable[[SweepConf], Made]], Callable[[SweepConf], Made]]:
    """A function of a configuration that keeps what it makes, by the settings of some groups.

    Args:
        groups: all that the function depends on.
        most: so many results are kept, those used last.
    """

    def decorate(make: Callable[[SweepConf], Made]) -> Callable[[SweepConf], Made]:
        kept = lru_cache(maxsize=most)(lambda key: make(key.conf))
        return wraps(make)(lambda conf: kept(_Key(conf, groups)))

    return decorate


class _Key:
    """A configuration that hashes by the groups it is used for."""

    def __init__(self, conf: SweepConf, groups: tuple[str, ...]) -> None:
        self.conf = conf
        made_of = [(getattr(conf, g), f"{g}.") for g in depending(conf, groups)]
        state = STATES.get(type(conf.sky)) if "sky" in groups else None
        self.text = canonical_json(
            [
                *(scientific(*group) | files_by_realisation(*group) for group in made_of),
                *(state(conf) if state is not None else ()),
            ]
        )

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.text == other.text


STATES: dict[type, Callable[[SweepConf], list[Any]]] = {}
"""Of skies, by the dataclass of their settings, whose files these say nothing of: what changes with
the files that all realisations depend on."""


def depending(conf: SweepConf, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Groups that what is made of `groups` depends on: a sky of maps has an instrument's bands."""
    from_files = "sky" in groups and _reads_files(type(conf.sky))
    return tuple(dict.fromkeys((*groups, "instrument"))) if from_files else groups


@cache  # a launch asks for every point of its grid
def _reads_files(sky: type) -> bool:
    return any(names_files(item.metadata) for item in fields(sky))


Versions = Callable[[Any], dict[str, Any]]
"""Code that a choice calls, whose every version may give something else: {name: version}."""


def unversioned(conf: Any) -> dict[str, Any]:
    """The `Versions` of a choice that gives the same with every version of every package."""
    del conf
    return {}


def installed(package: str) -> str:
    """The version of a package, or `absent`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
