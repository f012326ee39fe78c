"""Which points of a grid a race visits: some far apart at first, then those around the best."""

from collections.abc import Sequence

import numpy as np

from sweep.session.lattice import Place, lattice

Walk = tuple[int, Place]
"""The point where it is, and its spacing."""


class Search:
    """Walks over the points of a grid, in each comparison group by itself.

    A walk looks at the points one spacing away from where it is, goes to the best of them, and
    where none is better halves the spacing, down to neighbours. That is pattern search (Kolda,
    Lewis & Torczon 2003, SIAM Review 45, 385) over a lattice: where it ends no neighbour is better.
    Several begin at the best of some points far apart, as there may be more than one valley.
    """

    def __init__(
        self, points: Sequence[Sequence[str]], coarse: int, walks: int, apart: Sequence[str]
    ) -> None:
        """Of points that are given by their overrides, see `lattice`.

        Args:
            points: all of the grid.
            coarse: steps of every axis that are visited first, at least 2.
            walks: of every group, at least 1.
            apart: groups of settings that comparison groups differ in.
        """
        self._lattice, self._coarse, self._count = lattice(points, apart), coarse, walks
        self._walks: dict[str, list[Walk]] = {}
        self._visited = set(self.first())

    def first(self) -> list[int]:
        """Numbers of the points that are visited first."""
        return self._lattice.coarse(self._coarse)

    def of_group(self, members: Sequence[int]) -> int:
        """How many points a group has, of which those that were visited first are known."""
        return int(np.isin(self._lattice.choices, self._choices(members)).sum())

    def next(self, group: str, order: Sequence[int]) -> list[int]:
        """Points to visit for a group, which count as visited now; none where all walks are over.

        Args:
            group: its name.
            order: points that were visited and are not out of the race, the best first.
        """
        rank = {point: place for place, point in enumerate(order)}
        others, new = self._choices(order), set[int]()
        start = self._lattice.spacing(self._coarse)
        walks = self._walks.get(group, [(point, start) for point in order[: self._count]])
        ahead: list[Walk] = []

        def go_on(walk: Walk) -> None:
            went, unseen = self._gone_on(*walk, rank, others)
            new.update(unseen)
            if went not in ahead:
                ahead.append(went)

        for walk in walks:
            if walk[0] in rank:
                go_on(walk)
        if not new and order[0] not in {point for point, _ in ahead}:
            go_on((order[0], (1,) * len(start)))  # a later round may have another at its head
        self._walks[group] = ahead
        self._visited |= new
        return sorted(new)

    def _gone_on(
        self, point: int, spacing: Place, rank: dict[int, int], others: Sequence[int]
    ) -> tuple[Walk, set[int]]:
        """Where a walk is once it needs to know more, and of which points."""
        while True:
            around = set(self._lattice.around(point, spacing, others))
            if unseen := around - self._visited:
                return (point, spacing), unseen
            best = min((p for p in (point, *around) if p in rank), key=rank.__getitem__)
            if best != point:
                point = best
            elif max(spacing, default=1) == 1:
                return (point, spacing), set()
            else:
                spacing = tuple((each + 1) // 2 for each in spacing)

    def _choices(self, members: Sequence[int]) -> list[int]:
        return sorted({int(self._lattice.choices[point]) for point in members})
