"""Multi-resolution clusters against K-means counts that half of the realisations chose.

On d1s1 and on a sky that is rough at degree scale, three zones, by both estimators. The half that
chooses does not measure: what stands here is what new data would confirm.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from benchmarks.real import MASKS, check_data
from benchmarks.record import keep
from benchmarks.skies import template_file
from sweep.estimators import ESTIMATORS, Estimator
from sweep.statistics.combination import best_of_zones
from sweep.statistics.halves import halves
from sweep.statistics.rankings import difference_error, templates_of
from sweep.statistics.residuals import Residuals
from sweep.statistics.tensor_ratio import TensorRatio, bootstrap, spread, tensor_ratio
from sweep.statistics.zones import read_zones

STORES = Path("runs/choice")
SKIES = ("d1s1", "rough")
METRIC = "r_upper_68"
STUDIES = ("zones_multires", "zones_kmeans")


def main(*skies: str) -> None:
    """Run what is missing of both studies on each sky, choose by halves, and compare."""
    check_data()
    rows = [row for name in skies or SKIES for row in compared(name)]
    keep("choice", rows)


def compared(name: str) -> list[dict[str, Any]]:
    """Both ways of the halves, by both estimators."""
    stores = {study: searched(name, study) for study in STUDIES}
    kmeans, multires = (sweep.open(stores[s]) for s in STUDIES[::-1])
    fixed = read_zones(multires, range(multires.sizes["experiment"]))
    rows = []
    for estimator in ESTIMATORS:
        first, second = halves(fixed.realisations)
        for choosing, measuring in ((first, second), (second, first)):
            seen = kmeans.isel(realisation=np.isin(kmeans["realisation"], [-1, *choosing]))
            found = best_of_zones(seen, metric=METRIC, estimator=estimator)
            measured = read_zones(kmeans, found.best.experiments).select(measuring)
            rows.append(
                {
                    "sky": name,
                    "estimator": estimator,
                    "chosen by": f"{choosing[0]}-{choosing[-1]}",
                    "tried": sum(found.tried.values()),
                    "clusters": counts(kmeans, found.best.experiments),
                    **described("multires", fixed.select(measuring), estimator),
                    **described("kmeans", measured, estimator),
                    **gain(measured, fixed.select(measuring), estimator),
                }
            )
    return rows


def searched(name: str, study: str) -> Path:
    """The store of a study on a sky, with whatever was missing."""
    path = STORES / f"{name}-{study}.zarr"
    start = time.perf_counter()
    swept(path, name, f"+experiment={study}")
    print(f"{name} {study}: {time.perf_counter() - start:.0f} s", flush=True)
    return path


def swept(path: Path, sky: str, *words: str, quiet: bool = False) -> None:
    """Run the command on a sky with the published masks."""
    command = [str(Path(sys.executable).with_name("sweep")), "-m", *words]
    files = ["sky=templates", f"sky.path='{template_file(sky)}'", f"mask.path='{MASKS}'"]
    said = subprocess.DEVNULL if quiet else None
    subprocess.run([*command, *files, f"store.path='{path}'"], check=True, stdout=said)


def described(what: str, one: Residuals, estimator: Estimator) -> dict[str, float]:
    """What residuals would be taken for: r and its limits, with errors of a bootstrap."""
    spectra = templates_of(one)
    ratio: TensorRatio = tensor_ratio(one, spectra, estimator)
    drawn = bootstrap(one, spectra, estimator)
    return {
        f"{what} r": ratio.r,
        f"{what} r error": spread(drawn["r"]),
        f"{what} r + sigma": ratio.upper_68,
        f"{what} limit 95": ratio.limit_95,
    }


def gain(one: Residuals, other: Residuals, estimator: Estimator) -> dict[str, float]:
    """By how much r + sigma of the first is below that of the second."""
    spectra = templates_of(one)
    lower, upper = (tensor_ratio(each, spectra, estimator).upper_68 for each in (one, other))
    error = difference_error(one, other, METRIC, estimator)
    return {"below %": 100 * (1 - lower / upper), "below error %": 100 * error / upper}


def counts(ds: Any, experiments: tuple[int, ...]) -> str:
    """Numbers of clusters, zone by zone."""
    names = ("beta_dust", "temp_dust", "beta_pl")
    return str([[int(ds[f"clusters.{n}"][e]) for n in names] for e in experiments])


if __name__ == "__main__":
    main(*sys.argv[1:])
