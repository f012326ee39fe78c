"""A choice measured by realisations that took no part in it.

What is chosen as the best of many by some realisations looks better by these than it is. So half of
them choose, and the other half say how good the choice is; then the other way round.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import Estimator
from sweep.statistics.candidates import CONVERGED
from sweep.statistics.means import Field, Means
from sweep.statistics.selection import NO_GAP, checked, contest, gap, in_order, nothing
from sweep.statistics.summary import summary

if TYPE_CHECKING:
    from sweep.statistics.rankings import Ratios


def best_by_halves(
    ds: xr.Dataset,
    metric: str,
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """The best experiment of every group by half of the realisations, as the other half see it.

    With the noise-free estimator only the statistical part is measured anew: both halves share the
    noise-free fit.

    Args:
        ds: what `sweep.open` returns.
        metric: one of `METRICS`; `r` ranks as `bias`.
        done: called after each experiment whose spectra were looked at.
        estimator: as for `sweep.statistics.selection.best`.
        converged: as for `sweep.statistics.selection.best`.

    Returns:
        Two rows a group, `summary` of the experiment that was chosen with its `comparison_group`;
        the realisations that it was `chosen_by`, and the metric as they see it,
        `<metric>_choosing`; those that it is `measured_by`, and the metric as these see it, with
        its error. The `delta_to_best` is that of the `runner_up` of the choosing half, by the
        measuring half, with its error and the `significance`; negative where it is better there.
        What to quote of the group, the mean of its two measured values, is `quoted` in both rows,
        with its error. `attrs` as of `best`.

    Raises:
        ConfigError: unknown metric, or no group has realisations for two halves.
    """
    metric = checked(metric)
    ranking, left_out, fields = contest(ds, metric, done, estimator, converged, parts=2)
    table = summary(ds)
    parts: list[Any] = []
    fallback: list[str] = []
    for group, field in fields:
        rows = _rows(table, ranking, field, metric, left_out)
        if rows is None:
            continue
        rows["comparison_group"] = group.label
        parts.append(rows)
        fallback += [group.label] if field.fallback else []
    if not parts:
        raise ConfigError(f"two halves: {nothing(metric, left_out)}")
    found = pd.concat(parts)
    found.attrs |= {"metric": metric, "left_out": dict(left_out), "fallback": fallback}
    return found


def halves(realisations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second half of some realisations, which has one more of an odd number."""
    middle = len(realisations) // 2
    return realisations[:middle], realisations[middle:]


def quoted(rows: pd.DataFrame, values: Sequence[float], errors: Sequence[float]) -> pd.DataFrame:
    """`rows` with the mean of both ways, and its error, which those of either half make."""
    return rows.assign(quoted=np.mean(values), quoted_error=np.linalg.norm(errors) / 2)


def quote(chosen: Callable[[], pd.DataFrame]) -> tuple[float, float] | None:
    """What a choice by halves says is to be quoted, and its error; None without two halves."""
    try:
        rows = chosen()
    except ConfigError:
        return None
    return float(rows["quoted"].iloc[0]), float(rows["quoted_error"].iloc[0])


def span(realisations: np.ndarray) -> str:
    """Realisations as text, e.g. `0-9`."""
    first, last = int(realisations[0]), int(realisations[-1])
    return str(first) if first == last else f"{first}-{last}"


def _rows(
    table: Any, ranking: "Means | Ratios", field: Field, metric: str, left_out: Counter[str]
) -> Any:
    """Both ways of a group; None where there is nothing to choose from."""
    estimator, parts = field.estimator, halves(field.on)
    seen = np.array([ranking.values(field.members, on, estimator) for on in parts])
    known: np.ndarray = np.all(np.isfinite(seen), axis=0)
    if lost := np.count_nonzero(~known):
        left_out[f"no {metric} of half of the realisations"] += int(lost)
    members = [i for i, k in zip(field.members, known, strict=True) if k]
    if not members:
        return None
    rows = []
    for choosing, measuring, values in zip(parts, parts[::-1], seen[:, known], strict=True):
        order = in_order(Field(members, values, choosing, estimator), ranking)
        first, *others = [members[k] for k in order[:2]]
        row = table.iloc[[first]].copy()
        row["chosen_by"], row["measured_by"] = span(choosing), span(measuring)
        row[f"{metric}_choosing"] = values[order[0]]
        row[metric] = ranking.values([first], measuring, estimator)
        row[f"{metric}_error"] = ranking.error(first, measuring, estimator)
        for name, column in ranking.columns([first], measuring, estimator).items():
            row[name] = column
        if estimator is not None:
            row["estimator"] = estimator
        row["compared"] = len(measuring)
        row["runner_up"] = table.index[others[0]] if others else ""
        found = gap(ranking, others[0], first, measuring, estimator) if others else None
        row["delta_to_best"], row["delta_to_best_error"], row["tied"] = found or NO_GAP
        row["significance"] = row["delta_to_best"] / row["delta_to_best_error"]
        rows.append(row)
    found = pd.concat(rows)
    return quoted(found, found[metric].to_list(), found[f"{metric}_error"].to_list())
