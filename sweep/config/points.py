"""Many configurations that differ in plain values, composed once for every choice of groups.

Hydra takes about 100 ms to compose one. A grid of 100 000 points has few choices of groups: those
are composed, and checked, by Hydra. What a key takes beside is converted by OmegaConf and checked
by the rule of its field, in 0.4 ms; points are copies that combine such values.
"""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import fields
from functools import cache, reduce
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from sweep.config.checks import check_setting, check_together, names_files, settings
from sweep.config.compose import PATH_KEYS, to_conf
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
        self._load, self._is_group = load, cache(is_group)
        self._is_plain = cache(lambda text: _is_plain(text, self._is_group))
        self._bases: dict[tuple, _Base] = {}
        self._values: dict[tuple, Any] = {}

    def __call__(self, overrides: Sequence[str]) -> SweepConf:
        """The point of `overrides`, as `to_conf(load(overrides), overrides)` would give it.

        Points share their equal groups, so neither may be changed.

        Raises:
            ConfigError: as `to_conf`.
        """
        plain = {text.partition("=")[0]: text for text in overrides if self._is_plain(text)}
        others = tuple(text for text in overrides if not self._is_plain(text))
        key = (others, tuple(plain))
        if key not in self._bases:
            # what is no choice of a group may come after a value in Hydra's order, and change it
            simple = all(self._is_group(head(text)) for text in others)
            self._bases[key] = _Base(self._load, overrides, others, plain, self._values, simple)
        base = self._bases[key]
        return base.point(plain) if base.simple else to_conf(self._load(overrides), overrides)


class _Base:
    """A point, and the values that its plain keys take in other points."""

    def __init__(
        self,
        load: Loader,
        overrides: Sequence[str],
        others: tuple[str, ...],
        plain: dict[str, str],
        values: dict[tuple, Any],
        simple: bool,
    ) -> None:
        self._composed = load(overrides)
        self._parser = OverridesParser.create()
        # a value that is made of others is Hydra's affair at every point
        self.simple = simple and "${" not in OmegaConf.to_yaml(self._composed)
        self._load, self._others, self._plain = load, others, plain
        self._conf = to_conf(self._composed, overrides)
        self._values = values
        self._single = deepcopy(self._composed)  # takes one value after another, to convert it
        self._rules = {key: metadata for key, _, metadata in settings(self._conf)}
        self._keys: dict[str, list[str]] = {}
        for key in plain:
            self._keys.setdefault(key.partition(".")[0], []).append(key)
        self._groups: dict[tuple[str, ...], Any] = {}

    def point(self, plain: dict[str, str]) -> SweepConf:
        conf = copy(self._conf)
        for name, keys in self._keys.items():
            setattr(conf, name, self._group(name, tuple(plain[key] for key in keys)))
        check_together(conf)
        return conf

    def _group(self, name: str, texts: tuple[str, ...]) -> Any:
        """A group with the values of `texts`, made once."""
        if texts not in self._groups:
            conf = copy(self._conf)
            for text in texts:
                key = text.partition("=")[0]
                *path, last = key.split(".")
                node: Any = conf
                for part in path:  # what the base holds on this path is not ours to change
                    setattr(node, part, copy(getattr(node, part)))
                    node = getattr(node, part)
                setattr(node, last, self._value(key, text))
            self._groups[texts] = getattr(conf, name)
        return self._groups[texts]

    def _value(self, key: str, text: str) -> Any:
        """The value of a key, checked once for all choices in groups other than its own."""
        own = key.partition(".")[0]
        known = (text, *(t for t in self._others if head(t) == own or head(t) not in _GROUPS))
        if known not in self._values:
            self._values[known] = self._checked(key, text)
        return self._values[known]

    def _checked(self, key: str, text: str) -> Any:
        """The value of a key as Hydra would compose it."""
        *path, last = key.split(".")
        try:
            value = self._parser.parse_override(text).value()
            is_path = last in PATH_KEYS or names_files(self._rules[key])
            if not is_path and isinstance(value, int | float | str | bool):
                OmegaConf.update(self._single, key, value)
                found = reduce(getattr, path, self._single)[last]
                check_setting(key, found, self._rules[key])
                return found
            composed = deepcopy(self._composed)
            OmegaConf.update(composed, key, value, merge=True)
            conf = to_conf(composed, [*self._others, text])
        except Exception:  # Hydra knows what to say about it
            whole = [*self._others, *(self._plain | {key: text}).values()]
            conf = to_conf(self._load(whole), whole)
        return reduce(getattr, key.split("."), conf)


def head(text: str) -> str:
    """The group that an override chooses from."""
    return text.lstrip("+~").partition("=")[0].partition("@")[0]


def _is_plain(text: str, is_group: Callable[[str], bool]) -> bool:
    key, equals, value = text.partition("=")
    named = key.replace(".", "").replace("_", "").isalnum()
    return bool(equals) and named and not {"$", "{"} & set(value) and not is_group(key)
