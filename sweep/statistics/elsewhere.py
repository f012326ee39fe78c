"""A choice made on one sky, as another sky sees it."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import Estimator
from sweep.statistics.candidates import CONVERGED
from sweep.statistics.dataset import labels_of
from sweep.statistics.selection import best
from sweep.statistics.summary import settings, settings_table

_CLEANING = ("clusters", "solver", "model", "parameters", "fit")
"""Groups of settings that say how the sky is cleaned."""


def best_elsewhere(
    ds: xr.Dataset,
    other: xr.Dataset,
    metric: str,
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """The best experiment of every group, as the same clusters and solver do in another store.

    Args:
        ds: what `sweep.open` returns; it chooses.
        other: of another sky, say; it measures.
        metric: one of `METRICS`; `r` ranks as `bias`.
        done: called after each experiment whose spectra were looked at.
        estimator: as for `sweep.statistics.selection.best`.
        converged: as for `sweep.statistics.selection.best`.

    Returns:
        A row for each choice and each group of `other` that has it behind a mask of the same
        expression: what `best` says of it there, `<metric>_choosing`, what it is where it was
        chosen, `chosen` the label it has there, and its `place` among the `ranked`. `attrs` as of
        `best`.

    Raises:
        ConfigError: as `best`, of either store; `other` ranks none of the choices.
    """
    rules: dict[str, Any] = {"estimator": estimator, "converged": converged}
    chosen = best(ds, metric, 1, done, **rules)
    there = best(other, metric, None, done, **rules)
    name = chosen.attrs["metric"]
    ours, theirs = cleaned(ds), cleaned(other)
    rows = []
    for label, one in chosen.iterrows():
        for _, group in there.groupby("comparison_group", sort=False):
            place = next(
                (k for k, i in enumerate(group.index) if theirs[i] == ours[str(label)]), None
            )
            if place is None:
                continue
            row = group.iloc[[place]].copy()
            row["chosen"], row[f"{name}_choosing"] = label, one[name]
            row["place"], row["ranked"] = place + 1, len(group)
            rows.append(row)
    if not rows:
        raise ConfigError(
            f"{other.attrs['path']} ranks no experiment with the clusters, solver and mask of "
            f"{', '.join(map(str, chosen.index))}, chosen in {ds.attrs['path']}"
        )
    found = pd.concat(rows)
    found.attrs = there.attrs
    return found


def cleaned(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    """How each experiment cleans which mask, by its label: what is known of these settings."""
    base = json.loads(ds.attrs.get("base", "{}"))
    table: Any = settings_table(ds)
    shared = {key: value for key, value in base.items() if _counts(key)}
    own = [key for key in settings(ds) if _counts(key)]
    return {
        label: shared | {key: v for key, v in row.items() if v == v and v != ""}
        for label, row in zip(labels_of(ds), table[own].to_dict("records"), strict=True)
    }


def _counts(key: str) -> bool:
    return key == "mask.expression" or key.split(".")[0] in _CLEANING
