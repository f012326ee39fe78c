"""Which experiments can be compared by their numbers, and the best of those."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.progress import Progress
from sweep.statistics.selection import best
from sweep.statistics.summary import telling

_CONTEXT = ("sky", "instrument", "noise", "mask")
"""Groups of settings that must agree for experiments to be compared by their numbers."""

_MOST_CONTEXTS = 12
"""With more of them the best of each is by cmb_variance alone: r takes seconds for each."""


def contexts_of(table: Any, names: Sequence[str]) -> tuple[list[dict[str, Any]], list[int]]:
    """What experiments are to be compared with each other, and of each which it belongs to.

    Returns:
        `{label, settings}` of every context, and for each experiment the position of its own.
    """
    own = [n for n in names if n.split(".")[0] in _CONTEXT and table[n].nunique(dropna=False) > 1]
    if not own:
        return [{"label": "", "settings": {}}], [0] * len(table)
    shown = telling(table, own)
    keys = [tuple(map(str, row)) for row in table[own].itertuples(index=False)]
    known = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    contexts = []
    for key in known:
        row = table.iloc[keys.index(key)]
        values = {name: row[name] for name in shown}
        contexts.append({"label": described(values), "settings": values})
    return contexts, [known[key] for key in keys]


def described(values: Mapping[str, Any]) -> str:
    """Settings as text; a mask needs no name."""
    texts = {n: f"{v:g}" if isinstance(v, float) else str(v) for n, v in values.items()}
    return ", ".join(v if n == "mask.expression" else f"{n}={v}" for n, v in texts.items())


def members_of(context: Sequence[int]) -> dict[int, list[int]]:
    """Positions of the experiments of every context."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for i, one in enumerate(context):
        found[one].append(i)
    return dict(found)


def lowest(values: np.ndarray, count: int) -> list[int]:
    """Positions of the lowest numbers, the lowest first; what is not known comes last."""
    return np.argsort(values, kind="stable")[:count].tolist()


def ranked(
    ds: xr.Dataset, table: pd.DataFrame, context: Sequence[int], progress: Progress
) -> list[dict[str, Any]]:
    """Best and runner-up of every context, by r where it is known and by cmb_variance."""
    metrics = ["cmb_variance"]
    contexts = len(set(context))
    if "r_upper_68" in table and contexts <= _MOST_CONTEXTS:
        metrics.insert(0, "r_upper_68")
    with progress.looking(contexts * len(metrics)) as looked:
        return [
            one
            for metric in metrics
            for which, members in members_of(context).items()
            for one in _first(ds, table, metric, which, members, looked)
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
