"""The best experiments of every group."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import NAMES, Estimator
from sweep.progress import Progress
from sweep.statistics.comparison_groups import ComparisonGroup
from sweep.statistics.halves import best_by_halves, quote
from sweep.statistics.selection import best

_MOST_GROUPS = 12
"""With more of them the best of each is by cmb_variance alone: r takes seconds for each."""


def lowest(values: np.ndarray, count: int) -> list[int]:
    """Positions of the lowest numbers, the lowest first; what is not known comes last."""
    return np.argsort(values, kind="stable")[:count].tolist()


_MOST_QUOTED = 100
"""Of more experiments r is not chosen by halves, which has to compute all of them twice again."""

NOT_QUOTED: dict[str, float | None] = {"quoted": None, "quoted_error": None}

_LOOKED_AT = 8
"""Experiments of which r is computed again on the realisations that they have in common."""


def ranked(
    ds: xr.Dataset,
    table: pd.DataFrame,
    groups: Sequence[ComparisonGroup],
    estimators: Sequence[Estimator],
    ranks: np.ndarray,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Best and runner-up of every group, by r where it is known and by cmb_variance.

    Args:
        ds: what `sweep.open` returns.
        table: the summary of it, with r.
        groups: the groups.
        estimators: of the systematic part, one a group.
        ranks: which experiments converged often enough, shape (experiment,).
        progress: shows what is looked at.
    """
    metrics = ["cmb_variance"]
    if "r_upper_68" in table and len(groups) <= _MOST_GROUPS:
        metrics.insert(0, "r_upper_68")
    with progress.looking(len(groups) * len(metrics)) as looked:
        return [
            one
            for metric in metrics
            for which, group in enumerate(groups)
            for one in _first(
                ds,
                table,
                metric,
                which,
                [i for i in group.members if ranks[i]],
                estimators[which],
                looked,
            )
        ]


def _first(
    ds: xr.Dataset,
    table: pd.DataFrame,
    metric: str,
    which: int,
    members: Sequence[int],
    estimator: Estimator,
    looked: Callable[[], None],
) -> list[dict[str, Any]]:
    """Best and runner-up of one group; nothing where the metric is not known."""
    values = table[metric].to_numpy()[members]
    known = int(np.isfinite(values).sum())
    if not known:
        looked()
        return []
    # in the order of the store, in which ties are settled
    some = sorted(members[k] for k in lowest(values, min(_LOOKED_AT, known)))
    try:
        rows = best(ds.isel(experiment=some), metric, 2, estimator=estimator)
    except ConfigError:  # none has the realisations, which the page says of their spectra
        return []
    finally:
        looked()
    first, second = rows.iloc[0], rows.iloc[1] if len(rows) > 1 else None
    place = {label: i for i, label in zip(some, table.index[some], strict=True)}
    whole = ds.isel(experiment=list(members))
    distances = ("delta_to_best", "delta_to_best_error", "significance", "tied")
    return [
        {
            "comparison_group": which,
            "metric": metric,
            "experiments": known,
            "estimator": None if metric == "cmb_variance" else NAMES[estimator],
            "compared": first["compared"],
            "first": place[rows.index[0]],
            "value": first[metric],
            "error": first[f"{metric}_error"],
            **(
                quoted(lambda: best_by_halves(whole, metric, estimator=estimator))
                if metric == "cmb_variance" or len(members) <= _MOST_QUOTED
                else NOT_QUOTED
            ),
            "second": None if second is None else place[rows.index[1]],
            **{name: None if second is None else second[name] for name in distances},
        }
    ]


def quoted(chosen: Callable[[], pd.DataFrame]) -> dict[str, float | None]:
    """What half of the realisations say of the choice of the other half, where it is known."""
    found = quote(chosen)
    return NOT_QUOTED if found is None else dict(zip(NOT_QUOTED, found, strict=True))
