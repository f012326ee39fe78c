"""Races on recorded fits: how often the best is lost, and how many fits a race saves.

The fits are those of `benchmarks.choice`: 36 counts in each of three zones, on d1s1 and on a sky
that is rough at degree scale. A race draws its realisations from the recorded ones, with
replacement, so that what is best of all is known: the lowest mean of what is drawn from.

    python -m benchmarks.races [SKY ...]
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import beta

import sweep
from benchmarks.choice import SKIES, searched
from benchmarks.real import check_data
from benchmarks.record import keep
from sweep.session import Rules
from sweep.statistics.comparison_groups import comparison_groups
from sweep.statistics.race import Look, Terms, look, threshold
from sweep.statistics.summary import settings, settings_table

RACES = 1000
CHECKED = 10
"""Races of each that are run by `look` as well, which takes ten times as long."""

MOST = 100
"""Realisations of the last round, as of the published grid."""

METRICS = ("cmb_variance", "residual_variance")

Looked = Callable[[list[int], int], tuple[list[int], bool]]
"""(those that are left, realisations) to positions among them of those that stay, the first one
first, and whether the race is over."""


def main(*skies: str) -> None:
    """Race in every zone of each sky, many times."""
    check_data()
    rows = []
    for name in skies or SKIES:
        ds = sweep.open(searched(name, "zones_kmeans"))
        ds = ds.isel(realisation=ds["realisation"].values >= 0).load()
        for group in comparison_groups(settings_table(ds), settings(ds)):
            zone = ds.isel(experiment=group.members)
            rows += [{"sky": name, "zone": group.label, **raced(zone, m)} for m in METRICS]
    keep("races", rows, rounds=rules(METRICS[0]).rounds(MOST))


def rules(metric: str, enough: float = 0.0, growth: float = 2.0) -> Rules:
    """The usual ones."""
    return Rules(metric, first=5, growth=growth, lost=0.05, enough=enough)


def raced(zone: xr.Dataset, metric: str) -> dict[str, Any]:
    """Many races of the experiments of a zone; the first ones by `look` as well."""
    values = zone[metric].values
    means = values.mean(axis=1)
    best, rng, given = int(means.argmin()), np.random.default_rng(7), rules(metric)
    lost, same, fits, worse, worse_of_grid = 0, 0, 0, [], []
    for number in range(RACES):
        drawn = rng.integers(values.shape[1], size=MOST)
        left, took = race(len(values), given, plainly(values[:, drawn], given))
        if number < CHECKED:
            same_looks = as_commanded(zone.isel(realisation=drawn), given)
            assert race(len(values), given, same_looks) == (left, took)
        lost += best not in left
        fits += took
        chosen, whole = left[0], int(values[:, drawn].mean(axis=1).argmin())
        same += chosen == whole
        worse.append(means[chosen] / means[best] - 1)
        worse_of_grid.append(means[whole] / means[best] - 1)
    return {
        "metric": metric,
        "experiments": len(values),
        "races": RACES,
        "best lost": lost / RACES,
        "at most (95 %)": float(beta.ppf(0.95, lost + 1, RACES - lost)),
        "fits of the grid's": fits / RACES / (len(values) * MOST),
        "chose as the grid": same / RACES,
        "worse than best": float(np.mean(worse)),
        "so the grid": float(np.mean(worse_of_grid)),
    }


def race(count: int, given: Rules, looked: Looked) -> tuple[list[int], int]:
    """Who is left of so many at the end, the first one first, and how many fits that took."""
    took, before = 0, 0
    left = list(range(count))
    for number in given.rounds(MOST):
        took += len(left) * (number - before)
        before = number
        stay, over = looked(left, number)
        left = [left[i] for i in stay]
        if over:
            break
    return left, took


def plainly(drawn: np.ndarray, given: Rules) -> Looked:
    """A look by what its definition says."""
    looks = len(given.rounds(MOST))

    def looked(left: list[int], number: int) -> tuple[list[int], bool]:
        seen = drawn[left, :number]
        order = np.argsort(seen.mean(axis=1), kind="stable")
        gaps = seen[order] - seen[order[0]]
        errors = gaps.std(axis=1, ddof=1) / np.sqrt(number)
        k = threshold(given.lost, looks, len(drawn) - 1, number)
        behind = gaps.mean(axis=1)
        stay = behind <= k * errors
        most = (behind + k * errors)[stay][1:].max(initial=0.0)
        return order[stay].tolist(), most < given.enough * seen[order[0]].mean() or stay.sum() == 1

    return looked


def as_commanded(drawn: xr.Dataset, given: Rules) -> Looked:
    """A look by what the command calls."""
    rivals = drawn.sizes["experiment"] - 1
    looks = len(given.rounds(MOST))
    drawn = drawn.assign_coords(realisation=np.arange(drawn.sizes["realisation"]))

    def looked(left: list[int], number: int) -> tuple[list[int], bool]:
        seen = drawn.isel(experiment=left, realisation=slice(number))
        found = look(seen, given.metric, Terms(given.lost, looks, rivals, given.enough))
        assert isinstance(found, Look), found
        return found.left, len(found.left) == 1 or found.alike

    return looked


if __name__ == "__main__":
    main(*sys.argv[1:])
