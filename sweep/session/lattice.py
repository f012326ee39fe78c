"""The points of a grid as places on a lattice: what a search visits first, and next."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import ceil

import numpy as np

Place = tuple[int, ...]
"""Of a point, its step along every axis."""


@dataclass(frozen=True)
class Lattice:
    """Points of a grid, by their steps along axes of numbers, in each of the other choices.

    Attributes:
        sizes: steps of every axis of numbers, shape (axis,).
        places: of every point, shape (point, axis).
        choices: of every point, the values of the keys that are no axis, as one number: which
            solver or mask, say, shape (point,).
    """

    sizes: np.ndarray
    places: np.ndarray
    choices: np.ndarray

    def coarse(self, steps: int) -> list[int]:
        """Points at so many even steps of every axis, in each of the other choices.

        Where the grid has no point at a place (`hydra.sweeper.exclude`), the nearest one.
        """
        axes = [np.unique(np.linspace(0, size - 1, steps).round()) for size in self.sizes]
        scale = np.maximum(self.sizes - 1, 1)
        found = set[int]()
        for choice in np.unique(self.choices):
            members = np.flatnonzero(self.choices == choice)
            there = self.places[members] / scale
            for place in product(*axes):
                apart = np.abs(there - np.array(place) / scale).sum(axis=1)
                found.add(int(members[apart.argmin()]))
        return sorted(found)

    def spacing(self, steps: int) -> Place:
        """Steps from a point of `coarse` to the next, along every axis."""
        return tuple(ceil((int(size) - 1) / max(steps - 1, 1)) or 1 for size in self.sizes)

    def around(self, point: int, spacing: Place, choices: Collection[int]) -> Iterator[int]:
        """Points up to one spacing away along each axis, and the same place in other choices.

        Args:
            point: number of the point.
            spacing: steps along every axis; at an end of an axis, as many as there are.
            choices: the other choices.
        """
        place = self.places[point]
        for signs in product((-1, 0, 1), repeat=len(place)):
            moved = np.clip(place + np.multiply(signs, spacing), 0, self.sizes - 1)
            found = self._at.get((int(self.choices[point]), *moved.tolist()))
            if found is not None and found != point:
                yield found
        for choice in choices:
            found = self._at.get((choice, *place.tolist()))
            if found is not None and found != point:
                yield found

    @cached_property
    def _at(self) -> dict[Place, int]:
        whole = np.column_stack([self.choices, self.places]).tolist()
        return {tuple(place): number for number, place in enumerate(whole)}


def lattice(points: Sequence[Sequence[str]], apart: Collection[str] = ()) -> Lattice:
    """The lattice of some points.

    An axis is a key whose values are all numbers, in ascending order; keys that advance together
    (`hydra.sweeper.zip`) are one axis.

    Args:
        points: overrides, "key=value", the same keys in the same order in each.
        apart: groups of settings that are no axis whatever their values, "noise" say.
    """
    axes, others = list[np.ndarray](), list[np.ndarray]()
    seen = set[bytes]()
    for column in zip(*points, strict=True):
        keys, texts = zip(*(each.split("=", 1) for each in column), strict=True)
        values, steps = np.unique(texts, return_inverse=True)
        _, order = np.unique(steps, return_index=True)
        first = np.argsort(np.argsort(order))[steps]  # the same for keys that advance together
        if len(values) == 1 or first.tobytes() in seen:
            continue
        seen.add(first.tobytes())
        numbers = _numbers(texts)
        if numbers is None or keys[0].lstrip("+").split(".")[0] in apart:
            others.append(steps)
        else:
            axes.append(np.unique(numbers, return_inverse=True)[1])
    count = len(points)
    places = np.stack(axes, axis=1) if axes else np.zeros((count, 0), int)
    choices = np.zeros(count, int)
    if others:
        choices = np.unique(np.stack(others, axis=1), axis=0, return_inverse=True)[1].ravel()
    return Lattice(places.max(axis=0, initial=0) + 1, places, choices)


def _numbers(texts: Sequence[str]) -> np.ndarray | None:
    try:
        return np.array([float(text.strip("'\"")) for text in texts])
    except ValueError:
        return None
