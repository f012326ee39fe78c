"""Comparison groups: experiments that differ only in how the sky is cleaned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.statistics.summary import varying

SHARED = ("sky", "instrument", "noise", "mask")
"""Groups of settings that must agree for experiments to be compared by their numbers."""


@dataclass(frozen=True)
class ComparisonGroup:
    """Experiments that see the same sky through the same instrument, noise and mask.

    Attributes:
        settings: what tells it from the other groups; empty where there is only one.
        members: positions of its experiments, ascending.
    """

    settings: Mapping[str, Any]
    members: list[int]

    @property
    def label(self) -> str:
        """Its settings as text."""
        return described(self.settings)


def comparison_groups(table: Any, names: Sequence[str]) -> list[ComparisonGroup]:
    """The comparison groups of a store, in the order of their first experiments.

    Args:
        table: what `summary` returns, or its settings.
        names: of the columns of `table` that are settings.
    """
    own = [n for n in names if n.split(".")[0] in SHARED and table[n].nunique(dropna=False) > 1]
    shown = varying(table, own)
    if not shown:
        return [ComparisonGroup({}, list(range(len(table))))]
    found: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(table[shown].itertuples(index=False)):
        found[tuple(map(str, row))].append(i)
    return [
        ComparisonGroup(dict(table[shown].iloc[members[0]]), members) for members in found.values()
    ]


def described(values: Mapping[str, Any]) -> str:
    """Settings as text; a mask needs no name."""
    texts = {n: f"{v:g}" if isinstance(v, float) else str(v) for n, v in values.items()}
    return ", ".join(v if n == "mask.expression" else f"{n}={v}" for n, v in texts.items())
