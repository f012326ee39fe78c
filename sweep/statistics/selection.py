"""Which experiment is best by a metric, and how sure that is."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import Estimator
from sweep.quantities.table import METRICS, OF_FITS
from sweep.statistics.candidates import CONVERGED, rankable
from sweep.statistics.comparison_groups import ComparisonGroup, comparison_groups
from sweep.statistics.means import Field, Means
from sweep.statistics.summary import settings, settings_table, summary

if TYPE_CHECKING:
    from sweep.statistics.rankings import Ratios

_NO_SPECTRA = (
    "no experiment has the spectra of residuals: they need two usable realisations, or one and a "
    "noise-free fit (noise.noiseless=true), and store.spectra=alm, store.maps or store.parameters"
)


def best(
    ds: xr.Dataset,
    metric: str,
    top: int | None = None,
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """Experiments whose fits converged, the best first, those of every group apart.

    Only experiments that see the same sky through the same instrument, noise and mask can be
    compared by their numbers, see `sweep.statistics.comparison_groups`. Those of a group are
    compared on the realisations that all of them have, and by one estimator.

    Args:
        ds: what `sweep.open` returns.
        metric: one of `METRICS`; `r` ranks as `bias`.
        top: how many of each group; all by default.
        done: called after each experiment whose spectra were looked at.
        estimator: of the systematic part, for metrics of spectra. By default the cross estimate;
            the noise-free one for all of a group where that ranks all and the cross one does not.
        converged: share of its recorded fits that must have converged for an experiment to be
            ranked; 0 ranks all with a usable fit.

    Returns:
        `summary` of them with the `comparison_group`; the metric and its error, `<metric>_error`,
        over the `compared` realisations; `delta_to_best`, the metric minus that of the first of the
        group, with `delta_to_best_error` from the same noise draws, which is much smaller than the
        errors of the two; and `significance`, the ratio of the last two. Those that only rounding
        tells from the first (`sweep.statistics.candidates.ROUNDING`) are `tied`: the delta is 0,
        and not significant. For metrics of spectra also the `estimator` that ranks; `r`, `r_minus`,
        `r_plus`, `r_upper_68`, `r_upper_95` and `r_limit_95` by it; the metric and r by either,
        `<metric>_cross` and `<metric>_noise_free`, where it is known; errors are of a bootstrap
        over realisations. `attrs`: `metric` is what ranks, `left_out` counts the other experiments
        by reason, and `fallback` are the groups that are not ranked by the usual estimator.

    Raises:
        ConfigError: unknown metric, or no experiment has what it needs.
    """
    metric = checked(metric)
    ranking, left_out, fields = contest(ds, metric, done, estimator, converged)
    table, parts = summary(ds), list[Any]()
    fallback: list[str] = []
    for group, field in fields:
        if field.members:
            parts.append(_ranked(table, group, ranking, field, metric, top))
            fallback += [group.label] if field.fallback else []
    if not parts:
        raise ConfigError(nothing(metric, left_out))
    found = pd.concat(parts)
    found.attrs |= {"metric": metric, "left_out": dict(left_out), "fallback": fallback}
    return found


def checked(metric: str) -> str:
    """The metric that ranks.

    Raises:
        ConfigError: it is none.
    """
    if metric not in METRICS:
        raise ConfigError(f"unknown metric {metric!r}; choose from {', '.join(METRICS)}")
    return "bias" if metric == "r" else metric


class Contest(NamedTuple):
    """What ranks the experiments of a store.

    Attributes:
        ranking: what gives the numbers of the metric.
        left_out: how many experiments are not ranked, by reason; it grows with `fields`.
        fields: the groups, and who is ranked in each, one after another as they are asked for.
    """

    ranking: "Means | Ratios"
    left_out: Counter[str]
    fields: Iterator[tuple[ComparisonGroup, Field]]


def contest(
    ds: xr.Dataset,
    metric: str,
    done: Callable[[], None],
    estimator: Estimator | None,
    converged: float,
    parts: int = 1,
) -> Contest:
    """Who is ranked by a metric, group by group, with `parts` realisations in common."""
    left_out = Counter[str]()
    groups = comparison_groups(settings_table(ds), settings(ds))
    ranks = rankable(ds, converged, left_out)
    ranking = _ranking_of(ds, metric, estimator, converged, done)
    for _ in range(np.count_nonzero(~ranks)):
        done()

    def fields() -> Iterator[tuple[ComparisonGroup, Field]]:
        for group in groups:
            field = ranking.field([i for i in group.members if ranks[i]], parts)
            left_out.update(field.left_out)
            yield group, field

    return Contest(ranking, left_out, fields())


def _ranking_of(
    ds: xr.Dataset,
    metric: str,
    estimator: Estimator | None,
    converged: float,
    done: Callable[[], None],
) -> "Means | Ratios":
    """What gives the numbers of a metric."""
    if metric in OF_FITS:
        return Means(ds, metric)
    from sweep.statistics.rankings import Ratios  # imports healpy and scipy

    return Ratios(ds, metric, estimator, converged, done)


def nothing(metric: str, left_out: Counter[str]) -> str:
    """Why no experiment is ranked."""
    if not left_out or set(left_out) <= {"no usable fit"}:
        return "no experiment has a usable fit yet"
    reasons = ", ".join(f"{count} ({why})" for why, count in left_out.items())
    if metric in OF_FITS:
        return f"no experiment can be ranked by {metric}: {reasons}"
    return f"{_NO_SPECTRA}; left out: {reasons}"


class Gap(NamedTuple):
    """The metric minus that of another experiment; `tied` where only rounding tells them apart."""

    delta: float
    error: float
    tied: bool


NO_GAP = Gap(np.nan, np.nan, False)
"""Where there is no other."""


def gap(
    ranking: "Means | Ratios", one: int, other: int, on: np.ndarray, estimator: Estimator | None
) -> Gap:
    """The metric of an experiment minus that of another on some realisations."""
    mine, theirs = ranking.values([one, other], on, estimator)
    difference = float(mine - theirs)
    if abs(difference) <= ranking.rounding(other, on, estimator):
        return Gap(0.0, np.nan, True)
    return Gap(difference, ranking.delta_error(one, other, on, estimator), False)


def in_order(field: Field, ranking: "Means | Ratios") -> list[int]:
    """Positions in `field.members`, the best first, of those tied with it the first of all."""
    order = np.argsort(field.values, kind="stable").tolist()
    level = ranking.rounding(field.members[order[0]], field.on, field.estimator)
    lowest = field.values[order[0]]
    first = [k for k in order if field.values[k] - lowest <= level]
    return [*sorted(first), *order[len(first) :]]


def _ranked(
    table: Any,
    group: ComparisonGroup,
    ranking: "Means | Ratios",
    field: Field,
    metric: str,
    top: int | None,
) -> Any:
    """Rows of a group, the best first."""
    order = in_order(field, ranking)[:top]
    members = [field.members[k] for k in order]
    on, estimator = field.on, field.estimator
    rows = table.iloc[members].copy()
    for name, column in ranking.columns(members, on, estimator).items():
        rows[name] = column
    rows[metric] = field.values[order]
    rows[f"{metric}_error"] = errors = [ranking.error(i, on, estimator) for i in members]
    if estimator is not None:
        rows[f"{metric}_{estimator}_error"] = errors
        rows["estimator"] = estimator
    rows["comparison_group"] = group.label
    rows["compared"] = len(on)
    gaps: Sequence[Gap] = [gap(ranking, i, members[0], on, estimator) for i in members[1:]]
    gaps = [NO_GAP._replace(delta=0.0), *gaps]
    rows["delta_to_best"] = [each.delta for each in gaps]
    rows["delta_to_best_error"] = [each.error for each in gaps]
    rows["significance"] = rows["delta_to_best"] / rows["delta_to_best_error"]
    rows["tied"] = [each.tied for each in gaps]
    return rows
