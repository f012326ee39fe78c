"""The best experiments of every context."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.progress import Progress
from sweep.statistics.contexts import Context
from sweep.statistics.selection import best

_MOST_CONTEXTS = 12
"""With more of them the best of each is by cmb_variance alone: r takes seconds for each."""


def lowest(values: np.ndarray, count: int) -> list[int]:
    """Positions of the lowest numbers, the lowest first; what is not known comes last."""
    return np.argsort(values, kind="stable")[:count].tolist()


def ranked(
    ds: xr.Dataset, table: pd.DataFrame, contexts: Sequence[Context], progress: Progress
) -> list[dict[str, Any]]:
    """Best and runner-up of every context, by r where it is known and by cmb_variance."""
    metrics = ["cmb_variance"]
    if "r_upper_68" in table and len(contexts) <= _MOST_CONTEXTS:
        metrics.insert(0, "r_upper_68")
    with progress.looking(len(contexts) * len(metrics)) as looked:
        return [
            one
            for metric in metrics
            for which, context in enumerate(contexts)
            for one in _first(ds, table, metric, which, context.members, looked)
        ]


def _first(
    ds: xr.Dataset,
    table: pd.DataFrame,
    metric: str,
    which: int,
    members: Sequence[int],
    looked: Callable[[], None],
) -> list[dict[str, Any]]:
    """Best and runner-up of one context; nothing where the metric is not known."""
    values = table[metric].to_numpy()[members]
    known = int(np.isfinite(values).sum())
    if not known:
        looked()
        return []
    two = [members[k] for k in lowest(values, min(2, known))]
    rows = best(ds.isel(experiment=two), metric)
    looked()
    first, second = rows.iloc[0], rows.iloc[1] if known > 1 else None
    distances = ("behind", "behind_error", "significance")
    return [
        {
            "context": which,
            "metric": metric,
            "experiments": known,
            "first": two[0],
            "value": first[metric],
            "error": first[f"{metric}_error"],
            "second": None if second is None else two[1],
            **{name: None if second is None else second[name] for name in distances},
        }
    ]
