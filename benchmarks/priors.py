"""What priors do to r: clusters of the published analyses, with priors of each width and none.

The residual variance counts noise that r averages away, and hardly sees a bias that r is made of.
So the matrix alone, which is about residual variance, cannot say whether a prior is good.
"""

import sys
from pathlib import Path
from typing import Any

import sweep
from benchmarks.cells import NARROW, PUBLISHED, priors
from benchmarks.choice import described, swept
from benchmarks.real import check_data
from benchmarks.record import keep
from sweep.estimators import ESTIMATORS
from sweep.statistics.zones import read_zones

STORES = Path("runs/priors")
SKIES = ("d1s1", "rough")

CHOICES = {
    "default": (),
    "0.2, 3 K, 0.2": ("parameters=priors",),
    "0.3, 5 K, 0.3": priors(0.3, 5, 0.3),
    "beta_dust 0.2": ("parameters.beta_dust.prior.width=0.2",),
    "temp_dust 3 K": ("parameters.temp_dust.prior.width=3",),
    "beta_pl 0.2": ("parameters.beta_pl.prior.width=0.2",),
    "narrow": NARROW,
    "published": PUBLISHED,
}
"""Priors in the default boxes, and other boxes without any."""

KEYS = ("mask.expression", "clusters.beta_dust", "clusters.temp_dust", "clusters.beta_pl")

CLUSTERS = {
    "multires": ("+experiment=zones_multires",),
    "kmeans": (
        "+experiment=zones_kmeans",
        f"hydra.sweeper.zip=[[{','.join(KEYS)}]]",
        "mask.expression=GAL020,GAL040-GAL020,GAL060-GAL040",
        "clusters.beta_dust=3000,10000,10000",
        "clusters.temp_dust=500,500,2000",
        "clusters.beta_pl=150,80,300",
    ),
}
"""Three zones each. The K-means counts are the best of 156 on d1s1 in the published boxes."""


def main(*skies: str) -> None:
    """All choices on each sky."""
    check_data()
    rows = [
        measured(sky, clusters, choice)
        for sky in skies or SKIES
        for clusters in CLUSTERS
        for choice in CHOICES
    ]
    keep("priors", rows)


def measured(sky: str, clusters: str, choice: str) -> dict[str, Any]:
    """Residual variance and r of three zones together, with the errors of a bootstrap."""
    path = STORES / f"{sky}-{clusters}-{''.join(c for c in choice if c.isalnum())}.zarr"
    swept(path, sky, *CLUSTERS[clusters], *CHOICES[choice], quiet=True)
    ds = sweep.open(path)
    zones = read_zones(ds, range(ds.sizes["experiment"]))
    noisy = ds["realisation"].values >= 0
    row: dict[str, Any] = {
        "sky": sky,
        "clusters": clusters,
        "priors": choice,
        "residual variance": float(ds["residual_variance"].values[:, noisy].mean()),
        "suspect": int((ds["suspect"].values > 0).sum()),
    }
    for estimator in ESTIMATORS:
        row |= described(estimator, zones, estimator)
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main(*sys.argv[1:])
