"""The published multi-resolution clusters and a search of K-means counts, on the real sky.

arXiv:2604.08463 gives r = 4.05e-4 +6.3e-4 -3.4e-4 for the multi-resolution clusters and 5.5e-5
+6.6e-4 -2.7e-4 for its best K-means, with templates of other cosmological parameters than ours
(`sweep.sky.cmb.FURAX_CS`): r is given for both.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from benchmarks.real import MASKS, SKY, check_data
from benchmarks.record import keep
from sweep.cache import Cache
from sweep.estimators import Estimator
from sweep.sky.cmb import FURAX_CS, PLANCK_2018
from sweep.statistics.combination import Combination, Selection, best_of_zones
from sweep.statistics.tensor_ratio import Templates, bootstrap, spread, templates, tensor_ratio
from sweep.statistics.zones import read_zones

STORES = Path("runs/published")
COSMOLOGIES = {"planck_2018": PLANCK_2018, "furax_cs": FURAX_CS}
METRIC = "r_upper_68"
ESTIMATOR: Estimator = "noise_free"
"""As in the published analysis."""

STUDIES = {
    "zones_multires": [()],
    # the best of the first pass lies at the end of its grid
    "zones_kmeans": [
        (),
        (
            "clusters.beta_dust=3000,10000",
            "clusters.temp_dust=500,1000,2000",
            "clusters.beta_pl=80,150,300",
        ),
    ],
}
"""Passes over each study, with what differs from its file."""


def main() -> None:
    """Run what is missing of both sweeps, and compare."""
    check_data()
    found = {name: _searched(name, passes) for name, passes in STUDIES.items()}
    reference = found["zones_multires"].best
    rows = []
    for name, chosen in found.items():
        for what in ("best", "alone"):
            rows += _rows(name, what, getattr(chosen, what), sum(chosen.tried.values()), reference)
    tried = sum(found["zones_kmeans"].tried.values())
    for what, chosen in _halves("zones_kmeans").items():
        rows += _rows("zones_kmeans", what, chosen, tried, reference)
    keep("published", rows)


def _halves(study: str) -> dict[str, Combination]:
    """The best by the first half of the realisations, seen by each half.

    What the second half says of it knows nothing of the choice.
    """
    ds = sweep.open(STORES / f"{study}.zarr")
    numbers = ds["realisation"].values
    middle = int(np.median(numbers[numbers >= 0]))
    first = ds.isel(realisation=numbers <= middle)
    chosen = best_of_zones(first, metric=METRIC, estimator=ESTIMATOR).best
    everything = read_zones(ds, chosen.experiments)
    later = everything.realisations > middle
    return {
        "by half, seen by it": chosen,
        "by half, seen by the other": replace(
            chosen, residuals=everything.select(everything.realisations[later])
        ),
    }


def _searched(study: str, passes: list[tuple[str, ...]]) -> Selection:
    path = STORES / f"{study}.zarr"
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("sweep")), "-m", f"+experiment={study}"]
    files = ["sky=templates", f"sky.path='{SKY}'", f"mask.path='{MASKS}'", f"store.path='{path}'"]
    command.append("parameters=published")
    for changes in passes:
        subprocess.run([*command, *files, *changes], check=True)
    print(f"{study}: {time.perf_counter() - start:.0f} s", flush=True)
    return best_of_zones(sweep.open(path), metric=METRIC, estimator=ESTIMATOR)


def _difference_error(one: Combination, other: Combination, spectra: Templates) -> float:
    """Of the upper limits of two, from the noise that they share."""
    shared = np.intersect1d(one.residuals.realisations, other.residuals.realisations)
    draws = [
        bootstrap(c.residuals.select(shared), spectra, ESTIMATOR)["upper_68"] for c in (one, other)
    ]
    return spread(draws[0] - draws[1])


def _rows(
    study: str, what: str, one: Combination, tried: int, reference: Combination
) -> list[dict[str, Any]]:
    cache = Cache(Path(str(sweep.compose([]).store.cache)))
    ds = sweep.open(STORES / f"{study}.zarr")
    names = ("beta_dust", "temp_dust", "beta_pl")
    counts = [[int(ds[f"clusters.{n}"][e]) for n in names] for e in one.experiments]
    rows = []
    for name, cosmology in COSMOLOGIES.items():
        spectra = templates(one.residuals.nside, cache, cosmology)
        ratio = tensor_ratio(one.residuals, spectra, ESTIMATOR)
        same = reference.residuals.select(one.residuals.realisations)
        other = tensor_ratio(same, spectra, ESTIMATOR)
        draws = bootstrap(one.residuals, spectra, ESTIMATOR)
        rows.append(
            {
                "study": study,
                "chosen": what,
                "experiments": tried,
                "templates": name,
                "r": ratio.r,
                "error of r": spread(draws["r"]),
                "r without noise-free fit": tensor_ratio(one.residuals, spectra, "cross").r,
                "its error": spread(bootstrap(one.residuals, spectra, "cross")["r"]),
                "plus": ratio.plus,
                "minus": ratio.minus,
                "upper 68": ratio.upper_68,
                "error of it": spread(draws["upper_68"]),
                "upper 95": ratio.upper_95,
                "below multires %": 100 * (1 - ratio.upper_68 / other.upper_68),
                "error %": 100 * _difference_error(one, reference, spectra) / other.upper_68,
                "clusters": str(counts),
            }
        )
    return rows
