"""Many configurations that differ in plain values, composed once for every choice of groups.

Hydra takes about 100 ms to compose one. A grid of 100 000 points has few choices of groups and few
values of each key: those are composed, and checked, by Hydra; points are copies that combine them.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import fields
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweep.config.checks import check_newton
from sweep.config.compose import to_conf
from sweep.config.schema import SweepConf

Loader = Callable[[Sequence[str]], DictConfig]
"""Hydra's composition of overrides, without the settings of Hydra itself."""


_GROUPS = {item.name for item in fields(SweepConf)}


class Points:
    """Composes the points of one grid.

    Args:
        load: composes by Hydra.
        is_group: whether a key is a choice of a group, not a value.
    """

    def __init__(self, load: Loader, is_group: Callable[[str], bool]) -> None:
        self._load = load
        self._is_plain = lru_cache(maxsize=None)(lambda text: _is_plain(text, is_group))
        self._bases: dict[tuple, _Base] = {}
        self._values: dict[tuple, Any] = {}

    def __call__(self, overrides: Sequence[str]) -> SweepConf:
        """The point of `overrides`, as `to_conf(load(overrides))` would give it.

        Raises:
            ConfigError: as `to_conf`.
        """
        plain = {text.partition("=")[0]: text for text in overrides if self._is_plain(text)}
        others = tuple(text for text in overrides if not self._is_plain(text))
        key = (others, tuple(plain))
        if key not in self._bases:
            self._bases[key] = _Base(self._load, others, plain, self._values)
        return self._bases[key].point(plain)


class _Base:
    """A point, and the values that its plain keys take in other points."""

    def __init__(
        self, load: Loader, others: tuple[str, ...], plain: dict[str, str], values: dict[tuple, Any]
    ) -> None:
        composed = load([*others, *plain.values()])
        # a value that is made of others is Hydra's affair at every point
        self._simple = "${" not in OmegaConf.to_yaml(composed)
        self._load, self._others, self._plain = load, others, plain
        self._conf = to_conf(composed)
        self._values = values

    def point(self, plain: dict[str, str]) -> SweepConf:
        if not self._simple:
            return to_conf(self._load([*self._others, *plain.values()]))
        conf, copied = copy(self._conf), set()
        for key, text in plain.items():
            if text != self._plain[key]:
                _put(conf, key.split("."), self._value(key, text), copied)
        check_newton(conf)
        return conf

    def _value(self, key: str, text: str) -> Any:
        """The value of a key, composed once for all choices in groups other than its own."""
        own = key.partition(".")[0]
        known = (text, *(t for t in self._others if _head(t) == own or _head(t) not in _GROUPS))
        if known not in self._values:
            value: Any = to_conf(self._load([*self._others, *(self._plain | {key: text}).values()]))
            for name in key.split("."):
                value = getattr(value, name)
            self._values[known] = value
        return self._values[known]


def _head(text: str) -> str:
    """The group that an override chooses from."""
    return text.lstrip("+~").partition("=")[0].partition("@")[0]


def _put(conf: Any, path: list[str], value: Any, copied: set[tuple[str, ...]]) -> None:
    """Set a value in a copy, copying on the way what other points share."""
    for depth, name in enumerate(path[:-1], start=1):
        if tuple(path[:depth]) not in copied:
            setattr(conf, name, copy(getattr(conf, name)))
            copied.add(tuple(path[:depth]))
        conf = getattr(conf, name)
    setattr(conf, path[-1], value)


def _is_plain(text: str, is_group: Callable[[str], bool]) -> bool:
    key, equals, value = text.partition("=")
    named = key.replace(".", "").replace("_", "").isalnum()
    return bool(equals) and named and "${" not in value and not is_group(key)
