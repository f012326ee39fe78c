"""A race and the whole grid side by side: what they choose, its limit of r, fits and wall time.

The published search of K-means counts in three zones, on d1s1 and on a sky of its own seed on which
nothing was tuned. Each runs as a command of its own, in one process, from an empty cache.

    python -m benchmarks.side_by_side [SKY ...]
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import xarray as xr

import sweep
from benchmarks.choice import counts, described, swept
from benchmarks.priors import KEYS
from benchmarks.real import check_data
from benchmarks.record import keep
from benchmarks.skies import template_file
from sweep.statistics.combination import best_of_zones
from sweep.statistics.selection import best
from sweep.statistics.summary import settings_table
from sweep.statistics.zones import read_zones
from sweep.types import Status

SKIES = ("d1s1", "drawn")
STORES = Path("runs/side_by_side")
REALISATIONS = 60
ZONES = "GAL020,GAL040-GAL020,GAL060-GAL040"

WAYS: dict[str, tuple[str, ...]] = {
    "grid": (),
    "race": ("hydra/sweeper=race",),
    "race of zones": (
        "hydra/sweeper=race",
        "hydra.sweeper.zones=true",
        "hydra.sweeper.metric=r_upper_68",
    ),
}
Point = tuple[Any, ...]
"""Mask and counts of an experiment."""

METRICS = {"race": "cmb_variance", "race of zones": "r_upper_68"}


def main(*skies: str) -> None:
    """Race and compute the whole grid on each sky."""
    check_data()
    rows = []
    for sky in skies or SKIES:
        took = {way: timed(sky, way) for way in WAYS}
        whole = sweep.open(store(sky, "grid"))
        places = positions(whole)
        for way, metric in METRICS.items():
            for name in ("grid", way):
                ds = sweep.open(store(sky, name))
                # what both chose is measured by all realisations of the grid
                chosen = [places[point] for point in choice(ds, metric)]
                rows.append(
                    {
                        "sky": sky,
                        "way": name,
                        "metric": metric,
                        "clusters": counts(whole, tuple(chosen)),
                        "fits": int(recorded(ds).sum()),
                        "wall s": took[name],
                        **described("chosen", read_zones(whole, chosen), "cross"),
                    }
                )
                print(rows[-1], flush=True)
    keep("side_by_side", rows, realisations=REALISATIONS, zones=ZONES)


def store(sky: str, way: str) -> Path:
    return STORES / f"{sky}-{way.replace(' ', '-')}.zarr"


def timed(sky: str, way: str) -> float:
    """Seconds of the command, clusters, compilation and all."""
    template_file(sky)  # is kept in the usual cache, and known from now on
    with (
        tempfile.TemporaryDirectory() as cache,
        patch.dict(os.environ, {"SKYSWEEP_CACHE": cache}),
    ):
        words = ("+experiment=zones_kmeans", f"noise.realisations={REALISATIONS}", *WAYS[way])
        start = time.perf_counter()
        swept(store(sky, way), sky, *words, "hydra.launcher.processes=0")
        return time.perf_counter() - start


def choice(ds: xr.Dataset, metric: str) -> list[Point]:
    """The best of every zone of those that have all realisations there, together or each alone."""
    fits, zones = recorded(ds), ds["mask.expression"].values
    left = [i for i, n in enumerate(fits) if n == fits[zones == zones[i]].max()]
    ds = ds.isel(experiment=left)
    table: Any = (
        best_of_zones(ds, metric=metric).table(ds)
        if metric == "r_upper_68"
        else best(ds, metric, 1)
    )
    return [tuple(row) for row in table[list(KEYS)].to_numpy()]


def positions(ds: xr.Dataset) -> dict[Point, int]:
    """Where each point stands."""
    return {tuple(row): i for i, row in enumerate(settings_table(ds)[list(KEYS)].to_numpy())}


def recorded(ds: xr.Dataset) -> np.ndarray:
    """Recorded fits with noise, shape (experiment,)."""
    status = ds["status"].values[:, ds["realisation"].values >= 0]
    return (status != Status.PENDING).sum(axis=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
