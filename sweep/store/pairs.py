"""Where each segment's experiments and realisations lie among those of all segments."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from sweep.store.segment import Segment


class Pairs:
    """The (experiment, realisation) pairs that some segments hold.

    Attributes:
        identities: position of every experiment, in order of publication.
        realisations: their numbers, increasing.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        known = dict.fromkeys(i for s in segments for i in s.identities)
        self.identities = {identity: k for k, identity in enumerate(known)}
        numbers = [np.array(s.realisations, dtype=np.int64) for s in segments]
        self.realisations = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *numbers]))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of experiments and of realisations."""
        return len(self.identities), self.realisations.size

    def rows(self, segment: Segment) -> np.ndarray:
        """Position of each experiment of `segment`, -1 where it is not among them."""
        return np.array([self.identities.get(i, -1) for i in segment.identities], dtype=np.intp)

    def columns(self, segment: Segment) -> np.ndarray:
        """Position of each realisation of `segment`, -1 where it is not among them."""
        return positions_among(self.realisations, np.array(segment.realisations))

    @cached_property
    def _groups(self) -> dict[str, tuple[int, ...]]:
        """For every experiment the segments that hold it."""
        groups: dict[str, tuple[int, ...]] = {}
        for k, segment in enumerate(self._segments):
            for identity in segment.identities:
                groups[identity] = (*groups.get(identity, ()), k)
        return groups

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], frozenset[int]]:
        held = [frozenset(segment.realisations) for segment in self._segments]
        return {
            group: frozenset().union(*(held[k] for k in group))
            for group in set(self._groups.values())
        }

    def published(self, identity: str) -> frozenset[int]:
        """Realisation numbers that any segment holds for an experiment."""
        group = self._groups.get(identity)
        return frozenset() if group is None else self._numbers[group]

    @property
    def twice(self) -> bool:
        """Whether two segments hold the same pair."""
        held = sum(len(s.identities) * len(s.realisations) for s in self._segments)
        counts = Counter(self._groups.values())
        return held > sum(len(self._numbers[group]) * n for group, n in counts.items())


def positions_among(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Position of each of `values` on the increasing `axis`, -1 where it is not there."""
    if not axis.size:
        return np.full(values.size, -1)
    found = np.minimum(np.searchsorted(axis, values), axis.size - 1)
    return np.where(axis[found] == values, found, -1)


def spread(segment: Segment, blocks: np.ndarray) -> np.ndarray:
    """A mask of units as one of pairs, shape (experiment, realisation) of `segment`."""
    layout = segment.layout
    rows = np.arange(layout.sizes["experiment"]) // layout.experiments_per_unit
    columns = np.arange(layout.sizes["realisation"]) // layout.block
    return blocks[np.ix_(rows, columns)]
