"""Configurations as columns: what all experiments share, and one array per key that differs.

There are no string arrays: a number column is stored as itself, everything else as codes with
their labels in the attributes. Base and columns rebuild every configuration exactly.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sweep.errors import StoreError

ABSENT = object()
"""The value of a key that an experiment does not have."""

_ABSENT_CODE = -1
_NUMBERS = {float: "float64", int: "int64", bool: "int8"}


@dataclass(frozen=True)
class Column:
    """One configuration key over the experiments, shape (experiment,).

    `kind` is float, int, bool (values as they are) or label (codes into `labels`, -1 where
    the key is absent).
    """

    values: np.ndarray
    kind: str
    labels: tuple[Any, ...] = ()

    @property
    def attributes(self) -> dict[str, Any]:
        """What a reader needs beside the values."""
        return {"kind": self.kind} | ({"labels": list(self.labels)} if self.labels else {})

    def decode(self) -> list[Any]:
        """The plain values, `ABSENT` where an experiment does not have the key."""
        if self.kind == "label":
            return [ABSENT if c == _ABSENT_CODE else self.labels[c] for c in self.values.tolist()]
        if self.kind == "bool":
            return [bool(value) for value in self.values.tolist()]
        return self.values.tolist()


def token(value: Any) -> tuple[type, Any]:
    """A hashable stand-in that keeps 1, 1.0, True and [1] apart."""
    if value is ABSENT or value is None or isinstance(value, str | bool | int):
        return type(value), value
    return type(value), json.dumps(value, sort_keys=True, allow_nan=False)


def distinct(values: Sequence[Any]) -> list[Any]:
    """The values that `token` tells apart, each once, in order of appearance.

    Raises:
        TypeError, ValueError: a value is not JSON.
    """
    types = set(map(type, values))
    if len(types) == 1 and types <= {str, int, bool}:
        return list(dict.fromkeys(values))
    if types == {float}:  # by their bits, which tell 0.0 from -0.0
        _, first = np.unique(np.array(values).view(np.int64), return_index=True)
        return [values[i] for i in sorted(first.tolist())]
    objects = {id(value): value for value in values}
    found: dict[Any, Any] = {}
    for value in objects.values():
        found.setdefault(token(value), value)
    return list(found.values())


def encode(key: str, values: Sequence[Any]) -> Column:
    """Make the column of `key`.

    Raises:
        StoreError: a value is not JSON, or would not come back from JSON as it was.
    """
    types = {type(value) for value in values}
    if len(types) == 1 and (kind := types.pop()) in _NUMBERS:
        try:
            return Column(np.array(values, dtype=_NUMBERS[kind]), kind.__name__)
        except OverflowError:
            pass
    labels = [value for value in distinct(values) if value is not ABSENT]
    codes = {token(value): code for code, value in enumerate(labels)} | {
        token(ABSENT): _ABSENT_CODE
    }
    known = {id(value): codes[token(value)] for value in values}
    column = [known[id(value)] for value in values]
    dtype = "int16" if len(labels) <= np.iinfo(np.int16).max else "int32"
    return Column(np.array(column, dtype=dtype), "label", tuple(labels))


def split(configs: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Column]]:
    """Split configurations into the base all share and the columns of keys that differ.

    Raises:
        StoreError: a value is not JSON, or would not come back from JSON as it was.
    """
    base: dict[str, Any] = {}
    columns: dict[str, Column] = {}
    for key, values in _by_key(configs):
        try:
            different = distinct(values)
            plain = [value for value in different if value is not ABSENT]
            if json.loads(json.dumps(plain, allow_nan=False)) != plain:
                raise ValueError("JSON changes it")
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"{key}: expected JSON scalars or lists in a configuration, got {error}"
            ) from error
        if len(different) == 1:
            base[key] = values[0]
        else:
            columns[key] = encode(key, values)
    return base, columns


def _by_key(configs: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Every key with its value in each configuration, `ABSENT` where it is not there."""
    keys = dict.fromkeys(map(tuple, configs))
    if len(keys) == 1:  # as a rule; each dictionary is then walked through once
        flat = list(chain.from_iterable(config.values() for config in configs))
        for k, key in enumerate(configs[0]):
            yield key, flat[k :: len(configs[0])]
        return
    for key in dict.fromkeys(chain.from_iterable(keys)):
        yield key, [config.get(key, ABSENT) for config in configs]


def join(base: dict[str, Any], columns: dict[str, Column], count: int) -> list[dict[str, Any]]:
    """Rebuild the `count` configurations that `split` was given."""
    configs = [dict(base) for _ in range(count)]
    for key, column in columns.items():
        for config, value in zip(configs, column.decode(), strict=True):
            if value is not ABSENT:
                config[key] = value
    return configs
