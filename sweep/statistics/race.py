"""A race: after a look at some realisations, which experiments may still be the best.

All experiments see the same noise, so that differences are paired and their errors small. Looked at
several times, and among many, the best would be lost by chance more often than one comparison says:
the chance that the user gives is shared equally among all looks and all rivals (Bonferroni), and a
difference counts in units of its own error, by Student's distribution of as many realisations.
"""

from collections import Counter
from dataclasses import dataclass

import xarray as xr
from scipy.stats import t as student

from sweep.statistics.candidates import CONVERGED
from sweep.statistics.selection import Gap, checked, contest, gap, in_order, nothing


@dataclass(frozen=True)
class Terms:
    """On which an experiment leaves, and a race is over.

    Attributes:
        lost: chance, at most, that the best of all leaves by chance at any look.
        looks: how often is looked at most.
        rivals: other experiments at the start.
        enough: differences below this share of the leader's value do not matter.
    """

    lost: float
    looks: int
    rivals: int
    enough: float


@dataclass(frozen=True)
class Look:
    """Where the experiments of a group stand after some realisations.

    Attributes:
        value: of the metric, of the leader.
        error: of that.
        realisations: that all of them have.
        threshold: errors by which one must be behind to leave.
        order: positions of all that are ranked, the leader first, then by value.
        left: of these, those that may still be the best.
        behind: the others that are ranked, and by how much.
        left_out: how many are not ranked, by reason.
        alike: whether all that are left are within `enough` of the leader, or there is no other.
        ahead: errors by which the leader is ahead of each other that is left and not tied with it.
    """

    value: float
    error: float
    realisations: int
    threshold: float
    order: list[int]
    left: list[int]
    behind: dict[int, Gap]
    left_out: Counter[str]
    alike: bool
    ahead: float

    @property
    def leader(self) -> int:
        """Position of the one with the lowest value."""
        return self.left[0]


def threshold(lost: float, looks: int, rivals: int, realisations: int) -> float:
    """Errors by which an experiment must be behind to leave.

    Args:
        lost: chance, at most, that the best of all leaves by chance at any look.
        looks: how often is looked at most.
        rivals: other experiments at the start.
        realisations: that the difference is a mean of, at least 2.
    """
    return float(student.isf(lost / (looks * max(rivals, 1)), realisations - 1))


def look(ds: xr.Dataset, metric: str, terms: Terms, *, converged: float = CONVERGED) -> Look | str:
    """Look at the experiments of one comparison group.

    Args:
        ds: those that have not left, with the realisations that are looked at.
        metric: one of `METRICS`.
        terms: of the race.
        converged: as for `sweep.statistics.selection.best`.

    Returns:
        The look, or why none of them is ranked.

    Raises:
        ConfigError: unknown metric.
    """
    metric = checked(metric)
    ranking, left_out, fields = contest(ds, metric, lambda: None, None, converged)
    ((_, field),) = fields
    if not field.members:
        return nothing(metric, left_out)
    order = [field.members[k] for k in in_order(field, ranking)]
    leader, on, estimator = order[0], field.on, field.estimator
    gaps = {i: gap(ranking, i, leader, on, estimator) for i in order[1:]}
    value = float(field.values[field.members.index(leader)])
    error = ranking.error(leader, on, estimator)
    return standing(value, error, len(on), order, gaps, left_out, terms)


def standing(
    value: float,
    error: float,
    realisations: int,
    order: list[int],
    gaps: dict[int, Gap],
    left_out: Counter[str],
    terms: Terms,
) -> Look:
    """What a look shows of differences to the leader.

    Args:
        value: of the metric, of the leader.
        error: of that.
        realisations: that all have.
        order: positions, the leader first, then by value.
        gaps: of all but the leader.
        left_out: how many are not ranked, by reason.
        terms: of the race.
    """
    k = float("inf")
    if realisations > 1:
        k = threshold(terms.lost, terms.looks, terms.rivals, realisations)
    behind = {i: g for i, g in gaps.items() if not g.tied and g.delta > k * g.error}
    near = [g for i, g in gaps.items() if i not in behind and not g.tied]
    matters = terms.enough * abs(value)
    return Look(
        value=value,
        error=error,
        realisations=realisations,
        threshold=k,
        order=order,
        left=[i for i in order if i not in behind],
        behind=behind,
        left_out=left_out,
        alike=all(g.delta + k * g.error < matters for g in near),
        ahead=min((g.delta / g.error for g in near), default=float("inf")),
    )
