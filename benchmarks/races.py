"""Races on recorded fits: how often the best is lost, and how many fits a race saves.

The fits are those of `benchmarks.choice`: 36 counts in each of three zones, on d1s1 and on a sky
that is rough at degree scale. A race draws its realisations from the recorded ones, with
replacement, so that what is best of all is known: the lowest mean of what is drawn from.

    python -m benchmarks.races [SKY ...]
"""

import sys
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
from sweep.statistics.race import Look, look
from sweep.statistics.summary import settings, settings_table

RACES = 1000
MOST = 100
"""Realisations of the last round, as of the published grid."""

METRICS = ("cmb_variance", "residual_variance")


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


def rules(metric: str) -> Rules:
    """The usual ones."""
    return Rules(metric, first=5, growth=2.0, lost=0.05, enough=0.0)


def raced(zone: xr.Dataset, metric: str) -> dict[str, Any]:
    """Many races of the experiments of a zone; shares with the upper end of their 95 % interval."""
    means = zone[metric].values.mean(axis=1)
    best, rng = int(means.argmin()), np.random.default_rng(7)
    lost, same, fits, worse, worse_of_grid = 0, 0, 0, [], []
    for _ in range(RACES):
        drawn = rng.integers(zone.sizes["realisation"], size=MOST)
        left, took = race(zone.isel(realisation=drawn), metric)
        lost += best not in left
        fits += took
        chosen = left[0]
        whole = int(zone[metric].values[:, drawn].mean(axis=1).argmin())
        same += chosen == whole
        worse.append(means[chosen] / means[best] - 1)
        worse_of_grid.append(means[whole] / means[best] - 1)
    whole = zone.sizes["experiment"] * MOST
    return {
        "metric": metric,
        "experiments": zone.sizes["experiment"],
        "races": RACES,
        "best lost": lost / RACES,
        "at most (95 %)": float(beta.ppf(0.95, lost + 1, RACES - lost)),
        "fits of the grid's": fits / RACES / whole,
        "chose as the grid": same / RACES,
        "worse than best": float(np.mean(worse)),
        "so the grid": float(np.mean(worse_of_grid)),
    }


def race(drawn: xr.Dataset, metric: str) -> tuple[list[int], int]:
    """Who is left at the end, the first one first, and how many fits that took."""
    given, took, before = rules(metric), 0, 0
    rounds, left = given.rounds(MOST), list(range(drawn.sizes["experiment"]))
    rivals = len(left) - 1
    drawn = drawn.assign_coords(realisation=np.arange(drawn.sizes["realisation"]))
    for number in rounds:
        took += len(left) * (number - before)
        before = number
        seen = drawn.isel(experiment=left, realisation=slice(number))
        found = look(
            seen, metric, lost=given.lost, looks=len(rounds), rivals=rivals, enough=given.enough
        )
        assert isinstance(found, Look), found
        left = [left[i] for i in found.left]
        if len(left) == 1 or found.alike:
            break
    return left, took


if __name__ == "__main__":
    main(*sys.argv[1:])
