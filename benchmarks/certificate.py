"""How often a restart from a random start ends lower than a certified fit, and by how much."""

import json
import sys
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.real import real_sky
from benchmarks.record import keep
from sweep.config.build import Setup, build
from sweep.fit import BlockResult, fit_block, joined
from sweep.types import PARAMETERS

LOWER = 1e-3

CONFIGURATIONS = [
    ("GAL020", "kmeans", 100, 10, 10),
    ("GAL020", "kmeans", 1000, 100, 100),
    ("GAL020", "kmeans", 3000, 300, 300),
    ("GAL020", "kmeans", 10000, 500, 500),
    ("GAL040-GAL020", "kmeans", 500, 50, 50),
    ("GAL040-GAL020", "kmeans", 4000, 100, 20),
    ("GAL060-GAL040", "kmeans", 200, 200, 200),
    ("GAL060-GAL040", "kmeans", 2000, 20, 500),
    ("GAL060", "kmeans", 100, 10, 10),
    ("GAL060", "kmeans", 1500, 500, 500),
    ("GAL020", "multires", 64, 0, 2),
    ("GAL040-GAL020", "multires", 64, 4, 2),
    ("GAL060-GAL040", "multires", 64, 8, 4),
]
FITS = 600
"""Fits by default: one in a hundred is known to 0.4 %."""


def main(fits: int = FITS) -> None:
    """Configurations on the real sky, each fit restarted once from a random start of its own.

    Args:
        fits: about how many in all, at least one a configuration; `python -m
            benchmarks.certificate 26` makes 26.
    """
    draws = -(-fits // len(CONFIGURATIONS))
    rows = [row(number, *choice, draws=draws) for number, choice in enumerate(CONFIGURATIONS)]
    rows.append(overall(rows))
    print(
        f"{rows[-1]['restarts lower']} of {rows[-1]['fits']} restarts lower by more than {LOWER}: "
        f"{rows[-1]['lower %']:.2f} +- {rows[-1]['error %']:.2f} %"
    )
    keep("certificate", rows)


def row(number: int, mask: str, kind: str, *counts: int, draws: int) -> dict[str, Any]:
    """One configuration: fits of `draws` realisations, and as many restarts."""
    clusters = [f"clusters.{p}={n}" for p, n in zip(PARAMETERS, counts, strict=True)]
    setup = build(real_sky(f"mask.expression={mask}", f"clusters={kind}", *clusters))
    fits, again = first(setup, draws), restarted(setup, draws, seed=number)
    gap = again.nll - fits.nll
    found = {
        "mask": mask,
        "clusters": f"{kind} {'/'.join(map(str, counts))}",
        **share(int(np.sum(gap < -LOWER)), draws),
        "certified": int(np.sum(fits.scan_certified == 1)),
        "lowest restart": float(gap.min()),
        "restarts higher": int(np.sum(gap > LOWER)),
        "jumps": int(fits.jumps.sum()),
        "seconds a fit": float(fits.seconds.mean()),
    }
    print(json.dumps(found), flush=True)
    return found


def share(lower: int, fits: int) -> dict[str, Any]:
    """Fits, restarts below them, their share and its binomial error."""
    likely = (lower + 1) / (fits + 2)  # by Laplace: that none of few was lower proves little
    return {
        "fits": fits,
        "restarts lower": lower,
        "lower %": 100 * lower / fits,
        "error %": 100 * float(np.sqrt(likely * (1 - likely) / fits)),
    }


def overall(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The sums of `rows`."""
    added = ("certified", "restarts higher", "jumps")
    fits, lower = (sum(row[k] for row in rows) for k in ("fits", "restarts lower"))
    return {
        "mask": "all",
        "clusters": "all",
        **share(lower, fits),
        **{k: sum(row[k] for row in rows) for k in added},
        "lowest restart": min(row["lowest restart"] for row in rows),
        "seconds a fit": float(np.average([r["seconds a fit"] for r in rows])),
    }


def first(setup: Setup, draws: int) -> BlockResult:
    """Fits of the first realisations from the usual start."""
    maps = setup.maps(tuple(range(draws)))
    return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)


def restarted(setup: Setup, draws: int, seed: int) -> BlockResult:
    """The same, each from a start that is drawn in the whole box for it alone."""
    random = np.random.default_rng(seed)
    low, high = setup.bounds.low, setup.bounds.high
    fits = []
    for realisation in range(draws):
        start = {p: jnp.asarray(random.uniform(low[p], high[p])) for p in PARAMETERS}
        own = replace(setup, bounds=setup.bounds._replace(start=start))
        maps = own.maps((realisation,))
        fits.append(fit_block(own.solver, own.objective, own.problem, maps, own.bounds))
    return joined(fits)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
