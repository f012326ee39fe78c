"""What a race left behind: who left when and by how much, and the way of a search over the points.

Nothing of a race is stored beside its fits but its rules, with the launches. An experiment that
left has fewer realisations than those that went on; the launch that added it says when it was
visited.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from sweep.statistics.candidates import CONVERGED
from sweep.statistics.comparison_groups import ComparisonGroup
from sweep.statistics.means import Field
from sweep.statistics.selection import checked, contest, gap, in_order
from sweep.store import Store
from sweep.types import Status

METRIC = "cmb_variance"
"""Where the launches do not say it, or a race was by all zones together."""


def races(
    ds: xr.Dataset, store: Store, groups: Sequence[ComparisonGroup], ranks: np.ndarray
) -> list[dict[str, Any]]:
    """Races among the comparison groups: those in which some have fewer realisations than others.

    Args:
        ds: what `sweep.open` returns.
        store: the same; of one that is still filled nothing is said.
        groups: of it.
        ranks: which experiments converged often enough, shape (experiment,).

    Returns:
        Of each its `comparison_group` and `metric`; for every number of `realisations` at which
        some left, the `leader` of those that had so many, `left` (experiments, the lowest first),
        and the `delta` of each to the leader with its `error`; and `path`, the leaders from launch
        to launch at the fewest realisations, where there was more than one.
    """
    numbers = ds["realisation"].values
    noisy = numbers >= 0
    recorded = (ds["status"].values[:, noisy] != Status.PENDING).sum(axis=1)
    steps = _launches(store, ds["identity"].values)
    found = []
    for which, group in enumerate(groups):
        members = [i for i in group.members if ranks[i]]
        counts = sorted({int(recorded[i]) for i in members})
        if len(counts) < 2 or not _whole(ds, members, recorded):
            continue
        metric = _metric(store, set(ds["identity"].values[members]))
        rounds = [_round(ds, members, recorded, count, metric) for count in counts[:-1]]
        found.append(
            {
                "comparison_group": which,
                "metric": metric,
                "rounds": [each for each in rounds if each is not None],
                "most": counts[-1],
                "going_on": int(np.sum(recorded[members] == counts[-1])),
                "path": _path(ds, members, counts[0], steps, metric),
            }
        )
    return found


def still_racing(ranks: np.ndarray, raced: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Those of `ranks` that did not leave: the others have too few realisations in common."""
    left = [i for race in raced for each in race["rounds"] for i in each["left"]]
    kept = ranks.copy()
    kept[left] = False
    return kept


def _whole(ds: xr.Dataset, members: Sequence[int], recorded: np.ndarray) -> bool:
    """Whether each has the first of its realisations without a gap: none is on its way."""
    noisy = ds["realisation"].values >= 0
    status = ds["status"].values[:, noisy]
    return all((status[i, : recorded[i]] != Status.PENDING).all() for i in members)


def _metric(store: Store, identities: set[str]) -> str:
    """That of the last race that added fits of these."""
    rules = [
        segment.provenance["race"]
        for segment in store.segments.values()
        if "race" in segment.provenance and identities & set(segment.identities)
    ]
    return METRIC if not rules or rules[-1]["zones"] else rules[-1]["metric"]


def _early(ds: xr.Dataset, members: Sequence[int], count: int, metric: str) -> tuple[Any, Field]:
    """Members on the first realisations; positions are those in `members`."""
    early = ds.isel(experiment=list(members), realisation=ds["realisation"].values < count)
    ranking, _, fields = contest(early, checked(metric), lambda: None, None, CONVERGED)
    _, field = next(fields)
    return ranking, field


def _round(
    ds: xr.Dataset, members: Sequence[int], recorded: np.ndarray, count: int, metric: str
) -> dict[str, Any] | None:
    took_part = [i for i in members if recorded[i] >= count]
    ranking, field = _early(ds, took_part, count, metric)
    if not field.members:
        return None
    order = [field.members[k] for k in in_order(field, ranking)]
    gone = [k for k in order if recorded[took_part[k]] == count]
    gaps = [gap(ranking, k, order[0], field.on, field.estimator) for k in gone]
    return {
        "realisations": count,
        "leader": took_part[order[0]],
        "left": [took_part[k] for k in gone],
        "delta": [each.delta for each in gaps],
        "error": [each.error for each in gaps],
    }


def _path(
    ds: xr.Dataset, members: Sequence[int], count: int, steps: np.ndarray, metric: str
) -> list[dict[str, int]]:
    """Leaders of all that were visited up to each launch."""
    path: list[dict[str, int]] = []
    for step in sorted({int(steps[i]) for i in members}):
        visited = [i for i in members if steps[i] <= step]
        ranking, field = _early(ds, visited, count, metric)
        if not field.members:
            continue
        leader = visited[field.members[in_order(field, ranking)[0]]]
        if not path or path[-1]["experiment"] != leader:
            path.append({"launch": step, "experiment": leader})
    return path if len(path) > 1 else []


def _launches(store: Store, identities: np.ndarray) -> np.ndarray:
    """Number of the launch that added each experiment, from 1 on, shape (experiment,)."""
    created: dict[str, str] = {}
    for segment in store.segments.values():
        when = str(segment.provenance.get("created"))
        for identity in segment.identities:
            created[identity] = min(created.get(identity, when), when)
    order = {when: k for k, when in enumerate(sorted(set(created.values())), start=1)}
    return np.array([order.get(created.get(str(i), ""), 0) for i in identities])
