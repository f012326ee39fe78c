"""Clusters of Planck's GAL060: our Lloyd iteration against jax-healpy's k-means, same mask."""

import tempfile
import time
from pathlib import Path
from typing import Any

import healpy as hp
import jax
import numpy as np

from benchmarks.record import keep
from sweep.cache import Cache
from sweep.clusters.kmeans import Method, kmeans_map
from sweep.mask import Mask

MASKS = Path(__file__).parents[2] / "shared" / "data" / "planck_galactic_masks_nside64.npz"
COUNTS = {64: (100, 500, 1500, 10_000), 256: (1500, 10_000)}
SEED = 0


def main() -> None:
    """Time and mean distance of a pixel to its centre; jax-healpy with compilation, as it is used.

    jax-healpy compiles for every count, and holds all distances of pixels to centres: it is
    asked for up to 1500 clusters at nside 64 only.
    """
    if not MASKS.exists():
        print(f"\nkmeans: skipped, there is no {MASKS.name} in ../shared/data")
        return
    jax.config.update("jax_enable_x64", True)
    with np.load(MASKS) as file:
        planck = file["GAL060"].astype(float)
    rows = []
    for nside, counts in COUNTS.items():
        mask = Mask(nside, hp.ud_grade(planck, nside) > 0.5, "GAL060")
        for count in counts:
            row: dict[str, Any] = {"nside": nside, "pixels": mask.pixels.size, "clusters": count}
            row["lloyd s"], ours = _measured(mask, count, "lloyd")
            row["lloyd degrees"] = ours
            if nside == 64 and count <= 1500:
                row["jax-healpy s"], theirs = _measured(mask, count, "jax_healpy")
                row |= {"jax-healpy degrees": theirs, "ratio": ours / theirs}
            else:
                row |= dict.fromkeys(("jax-healpy s", "jax-healpy degrees", "ratio"))
            rows.append(row)
    keep("kmeans", rows)


def _measured(mask: Mask, count: int, method: Method) -> tuple[float, float]:
    """Seconds, and the mean distance in degrees."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        labels = kmeans_map(mask, count, SEED, Cache(Path(folder)), method).labels
        seconds = time.perf_counter() - start
    vectors = np.stack(hp.pix2vec(mask.nside, mask.pixels), axis=1)
    sums = np.stack([np.bincount(labels, x) for x in vectors.T], axis=1)
    centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    cosine = np.clip(np.sum(vectors * centres[labels], axis=1), -1, 1)
    return seconds, float(np.degrees(np.mean(np.arccos(cosine))))
