"""Identity of an experiment: a hash of everything that can change a fitted number, never a path."""

from typing import Any

from sweep.assemble.clusters import CLUSTERS
from sweep.assemble.data import SKIES
from sweep.cache import digest
from sweep.config.schema import GROUPS, SweepConf
from sweep.config.scientific import recorded, scientific

IDENTITY_VERSION = 2
"""Raised when the meaning of a setting changes, so that older experiments are not mistaken."""

_LATER = ("model",)
"""Groups that older experiments lack; one that says nothing new is no part of an identity."""


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
        return self._evaluated(getattr(conf, name), name)[1]

    def entry(self, conf: SweepConf) -> dict[str, Any]:
        """What a store keeps of a configuration: {dotted key: value}."""
        kept: dict[str, Any] = {}
        for name in GROUPS:
            kept |= self._evaluated(getattr(conf, name), name)[2]
        return kept

    def identity(self, conf: SweepConf) -> str:
        """See `identity`."""
        parts = {
            name: self.digest(conf, name)
            for name in GROUPS
            if name not in _LATER or self._evaluated(getattr(conf, name), name)[2]
        }
        return digest({"version": IDENTITY_VERSION, **parts})

    def _evaluated(self, group: Any, name: str) -> tuple[Any, str, dict[str, Any]]:
        known = self._known.get(id(group))
        if known is None:
            prefix = f"{name}."
            made_by = digest({"made_by": _made_by(name, group), **scientific(group, prefix)})
            known = self._known[id(group)] = (group, made_by, recorded(group, prefix))
        return known


def identity(conf: SweepConf) -> str:
    """sha256 (hex) of an experiment: of the digests of its groups of settings.

    Raises:
        ConfigError: a file that the configuration names does not exist.
    """
    return Groups().identity(conf)


_VERSIONED = {"clusters": CLUSTERS, "sky": SKIES}


def _made_by(name: str, group: Any) -> dict[str, Any]:
    """Code whose every version may give other clusters, or another sky: {name: version}."""
    return _VERSIONED[name][type(group)].versions(group) if name in _VERSIONED else {}
