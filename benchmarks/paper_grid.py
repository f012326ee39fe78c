"""What the published grid would cost here, and on paper on one GPU."""

import json
import time
from math import prod
from typing import Any

import numpy as np
import yaml

from benchmarks.record import keep
from benchmarks.throughput import bandwidth, fit, one_core, pass_bytes, problem
from sweep.config import config_dir

STUDY = yaml.safe_load((config_dir() / "experiment" / "paper_grid.yaml").read_text())
SWEPT = {key: str(text).split(",") for key, text in STUDY["hydra"]["sweeper"]["params"].items()}
MASKS = SWEPT["mask.expression"]
COUNTS = [
    [int(count) for count in SWEPT[f"clusters.{parameter}"]]
    for parameter in ("beta_dust", "temp_dust", "beta_pl")
]
REALISATIONS = STUDY["noise"]["realisations"]

POINTS, FITS = 9, 4
"""Points of the grid a mask that are measured, and fits of each."""

H200_BANDWIDTH = 4.8e12
"""Bytes a second, of its data sheet."""


CHOICES = ("standard", "published")
"""Boxes and priors: ours, and those of the published tutorial."""


def main() -> None:
    """Points drawn as a Latin square would: every axis is covered evenly."""
    one_core()
    rows = [row for choice in CHOICES for row in of_choice(choice)]
    keep("paper_grid", rows)
    here = bandwidth(2**25)
    for choice in CHOICES:
        hours, terabytes = (
            sum(r[k] for r in rows if r["parameters"] == choice) for k in ("core hours", "TB read")
        )
        share = terabytes * 1e12 / (hours * 3600 * here)
        bound = terabytes * 1e12 / H200_BANDWIDTH / 60
        print(
            f"the published grid, parameters={choice}: {hours:.1f} core hours (published: about "
            f"640 GPU hours); a core reads {here / 1e9:.0f} GB/s, fits use {100 * share:.1f} % of "
            f"that; an H200 by its bandwidth alone: {bound:.2f} minutes (not measured)"
        )


def of_choice(choice: str) -> list[dict[str, Any]]:
    """A row a mask: seconds of a fit at some points, and what all points would take."""
    rows = []
    points = prod(len(axis) for axis in COUNTS) * REALISATIONS
    for seed, mask in enumerate(MASKS):
        costs = [_cost(mask, *counts, parameters=choice) for counts in sample(seed)]
        seconds, read = np.array(costs).T
        rows.append(
            {
                "parameters": choice,
                "mask": mask,
                "points": POINTS,
                "cheapest s": float(seconds.min()),
                "mean s": float(seconds.mean()),
                "dearest s": float(seconds.max()),
                "core hours": float(seconds.mean() * points / 3600),
                "error": float(seconds.std(ddof=1) / np.sqrt(POINTS) * points / 3600),
                "TB read": float(read.mean() * points / 1e12),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def sample(seed: int) -> list[list[int]]:
    """Points of the grid: each axis in even steps, in an order of its own."""
    rng = np.random.default_rng(seed)
    axes = [
        rng.permutation(np.array(axis)[np.linspace(0, len(axis) - 1, POINTS).round().astype(int)])
        for axis in COUNTS
    ]
    return np.stack(axes, axis=1).tolist()


def _cost(mask: str, *counts: int, parameters: str) -> tuple[float, float]:
    """Seconds of a fit once compiled, and bytes that its evaluations read."""
    setup = problem(mask, *counts, parameters=parameters)
    fit(setup, range(FITS))
    start = time.perf_counter()
    result = fit(setup, range(FITS))
    seconds = (time.perf_counter() - start) / FITS
    return seconds, pass_bytes(setup) * float(result.evaluations.mean())
