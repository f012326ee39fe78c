"""Disjoint masks of a store: the best experiment of each, and all of them as one sky."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import NAMES
from sweep.report import packing
from sweep.report.ranking import quoted
from sweep.statistics.combination import Combination, best_of_zones, zones_by_halves
from sweep.statistics.dataset import labels_of
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.rankings import templates_name
from sweep.statistics.recovered import kept_pixels
from sweep.statistics.tensor_ratio import NUMBERS

_MOST_MASKS = 12
"""Of more masks, the largest ones are looked at."""


def disjoint(pixels: dict[str, np.ndarray]) -> list[str]:
    """Those masks that do not overlap and see most of the sky together; more where it is equal.

    Args:
        pixels: RING indices of the kept pixels of every mask.
    """
    names = sorted(pixels, key=lambda name: -pixels[name].size)[:_MOST_MASKS]
    apart = {
        frozenset((a, b))
        for a, b in combinations(names, 2)
        if not np.intersect1d(pixels[a], pixels[b], assume_unique=True).size
    }
    best: tuple[str, ...] = ()

    def value(chosen: Sequence[str]) -> tuple[int, int]:
        return sum(pixels[name].size for name in chosen), len(chosen)

    for count in range(2, len(names) + 1):
        for chosen in combinations(names, count):
            if all(frozenset(pair) in apart for pair in combinations(chosen, 2)):
                best = max(best, chosen, key=value)
    return [name for name in pixels if name in best]


def search(
    ds: xr.Dataset,
    members: dict[str, list[int]],
    lowest: Callable[[list[int]], int | None],
    looked: Callable[[], None],
) -> dict[str, Any] | None:
    """The zones of experiments on one sky with one instrument and one noise.

    Args:
        ds: what `sweep.open` returns.
        members: positions of the experiments of every mask.
        lowest: of some experiments the one with the lowest cmb_variance.
        looked: called after each experiment whose spectra were looked at.

    Returns:
        For the page; None where no two masks are disjoint.
    """
    try:
        pixels = {mask: kept_pixels(ExperimentView(ds, of[0])) for mask, of in members.items()}
    except ConfigError:
        return None
    zones = disjoint(pixels)
    if not zones:
        return None
    try:
        return _together(ds, {zone: members[zone] for zone in zones}, looked)
    except ConfigError as error:
        best = {zone: lowest(members[zone]) for zone in zones}
        if None in best.values():
            return None
        return {
            "metric": "cmb_variance",
            "zones": [
                {"mask": zone, "experiment": one, "tried": len(members[zone])}
                for zone, one in best.items()
            ],
            "combined": None,
            "why": f"Best by cmb_variance; r of the zones together is not known: {error}.",
        }


def _together(
    ds: xr.Dataset, members: dict[str, list[int]], looked: Callable[[], None]
) -> dict[str, Any]:
    mine = [i for of in members.values() for i in of]
    part = ds.isel(experiment=mine)
    found = best_of_zones(part, tuple(members), "r_upper_68", looked)
    best, alone = ([mine[i] for i in c.experiments] for c in (found.best, found.alone))
    labels = labels_of(ds)
    return {
        "metric": found.metric,
        "zones": [
            {"mask": zone, "experiment": one, "tried": found.tried[zone]}
            for zone, one in zip(found.best.zones, best, strict=True)
        ],
        "combined": _combined(found.best)
        | quoted(lambda: zones_by_halves(part, tuple(members), found.metric)),
        "alone": [labels[i] for i in alone],
        "delta_to_best": found.delta_to_best,
        "delta_to_best_error": found.delta_to_best_error,
    }


def _combined(found: Combination) -> dict[str, Any]:
    ratio, residuals, other = found.ratio, found.residuals, found.other
    return {
        **{name: getattr(ratio, name) for name in NUMBERS},
        "estimator": NAMES[found.estimator],
        "other": None if other is None else {name: getattr(other, name) for name in NUMBERS},
        "error": found.error,
        "realisations": len(residuals.realisations),
        "sky_fraction": residuals.sky_fraction,
        "likelihood": packing.likelihood(ratio),
        "spectra": packing.spectra(residuals.spectra(found.estimator), templates_name(residuals)),
    }
