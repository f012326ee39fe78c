"""A choice made on one sky, as another sky sees it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import Estimator
from sweep.statistics.candidates import CONVERGED
from sweep.statistics.combination import best_of_zones
from sweep.statistics.dataset import labels_of
from sweep.statistics.rankings import metric_of
from sweep.statistics.selection import best, checked
from sweep.statistics.summary import settings, settings_table, summary
from sweep.statistics.zone_search import zone_search

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


def zones_elsewhere(
    ds: xr.Dataset,
    other: xr.Dataset,
    zones: Sequence[str] = (),
    metric: str = "r_upper_68",
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """The best experiments of all zones together, as the same do in another store.

    Args:
        ds: what `sweep.open` returns; it chooses, see `sweep.statistics.combination.best_of_zones`.
        other: of another sky, say; it measures.
        zones: mask expressions, disjoint; all of `ds` by default.
        metric: one of `OF_SPECTRA`; `r` ranks as `bias`.
        done: called after each experiment that was looked at.
        estimator: as for `best_of_zones`.
        converged: as for `best_of_zones`.

    Returns:
        A row a zone, `summary` of the experiment there and `chosen`, its label here; and of all
        zones together, in every row, `<metric>_choosing` here, the metric there and its error over
        the `compared` realisations, and the `delta_to_best` of the zones there, with its error.
        `attrs` as of `best`, of the store that measures.

    Raises:
        ConfigError: as `best_of_zones`, of either store; `other` ranks not all of the choices.
    """
    rules: dict[str, Any] = {"estimator": estimator, "converged": converged}
    metric = checked(metric)
    here = best_of_zones(ds, zones, metric, done, **rules)
    ours, theirs = cleaned(ds), list(cleaned(other).values())
    names = labels_of(ds)
    labels = [names[i] for i in here.best.experiments]
    search = zone_search(other, here.best.zones, metric, done, estimator, converged, 1)
    chosen = {}
    for zone, label in zip(here.best.zones, labels, strict=True):
        place = theirs.index(ours[label]) if ours[label] in theirs else None
        if place not in search.candidates[zone]:
            raise ConfigError(
                f"{other.attrs['path']} ranks no experiment with the clusters, solver and mask of "
                f"{label}, chosen in {ds.attrs['path']}"
            )
        chosen[zone] = place
    best_there, _ = search.best(metric, search.on)
    mine, first = (search.combination(c, metric, search.on) for c in (chosen, best_there))
    delta = search.gap(mine, first, metric)
    found = (
        summary(other)
        .iloc[list(chosen.values())]
        .assign(
            **{
                "chosen": labels,
                f"{metric}_choosing": here.value,
                metric: metric_of(mine.ratio, metric),
                f"{metric}_error": mine.error,
                "delta_to_best": delta.delta,
                "delta_to_best_error": delta.error,
                "significance": delta.delta / delta.error,
                "tied": delta.tied,
                "estimator": search.estimator,
                "compared": len(search.on),
            }
        )
    )
    found.attrs |= search.attributes(metric)
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
