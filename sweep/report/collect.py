"""What a store holds as plain numbers and text, ready for the page."""

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.estimators import NAMES, Estimator
from sweep.progress import Progress
from sweep.report import packing, zones
from sweep.report.columns import (
    add_front,
    add_ratios,
    number_columns,
    places,
    settings_columns,
)
from sweep.report.details import (
    NOTHING,
    MissingProducts,
    SpectralProducts,
    estimators_of,
    maps_of,
    packed,
    spectral_products,
    truth_of,
)
from sweep.report.maps import KINDS, LAYERS, Atlas, resolutions
from sweep.report.race import races, still_racing
from sweep.report.ranking import lowest, ranked
from sweep.statistics.candidates import CONVERGED, rankable
from sweep.statistics.comparison_groups import ComparisonGroup, comparison_groups, described
from sweep.statistics.dataset import labels_of, noise_free
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.progress import store_progress
from sweep.statistics.summary import settings, summary
from sweep.statistics.suspects import warnings
from sweep.store import Store
from sweep.types import Status

DETAILED = 2000
"""Experiments with spectra and maps: of more, those with the lowest cmb_variance."""


def collect(ds: xr.Dataset, progress: Progress) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        ds: what `sweep.open` returns.
        progress: shows which experiments are looked at.

    Returns:
        A dictionary for JSON. Numbers that are not known are None.
    """
    path = Path(ds.attrs["path"])
    store = Store(path)
    table, names = summary(ds), settings(ds)
    missing = MissingProducts()
    detailed = lowest(table["cmb_variance"].to_numpy(), DETAILED)
    if others := len(table) - len(detailed):
        why = f"only the {DETAILED} lowest cmb_variance are looked at"
        missing.note("others", "Spectra, r and maps", why, others)
    products = _spectral_products(ds, detailed, missing, progress)
    groups = comparison_groups(table, names)
    estimators = estimators_of(products, groups)
    group_of = [0] * len(table)
    for which, one in enumerate(groups):
        for i in one.members:
            group_of[i] = which
    each: list[Estimator] = [estimators[which] for which in group_of]
    add_ratios(table, products, each)
    with progress.looking(len(table)) as looked:
        add_front(table, ds, groups, missing, looked)
    unranked: Counter[str] = Counter()
    ranks = rankable(ds, CONVERGED, unranked)
    for why, count in unranked.items():
        missing.note("ranking", "Rank", why, count)
    raced = races(ds, store, groups, ranks)
    found = ranked(ds, table, groups, estimators, still_racing(ranks, raced), progress)
    first = list(dict.fromkeys([r["first"] for r in found] + _on_front(table)))
    return packing.plain(
        {
            "name": path.name,
            "path": str(path),
            "looked_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": version("skysweep"),
            "status": asdict(store_progress(store)),
            "noiseless": _noiseless(ds),
            "launches": _launches(store),
            "base": json.loads(ds.attrs["base"]),
            "labels": labels_of(ds),
            "settings": settings_columns(table, names),
            "columns": number_columns(table),
            **places(table),
            "comparison_groups": [{"label": c.label, "settings": dict(c.settings)} for c in groups],
            "comparison_group": group_of,
            "estimators": [NAMES[e] for e in estimators],
            "warnings": warnings(table),
            "best": found,
            "races": raced,
            "zones": _zones(ds, table, groups, ranks, progress),
            "templates": _templates(products),
            "map_kinds": KINDS,
            **packed(products, each),
            **_maps(ds, table, detailed, first, group_of, missing, progress),
            "missing": missing.listed(),
        }
    )


def _noiseless(ds: xr.Dataset) -> int:
    """How many fits without noise are recorded."""
    return int(np.count_nonzero(noise_free(ds, "status", Status.PENDING) != Status.PENDING))


def _spectral_products(
    ds: xr.Dataset, wanted: Sequence[int], missing: MissingProducts, progress: Progress
) -> list[SpectralProducts]:
    products = [NOTHING] * ds.sizes["experiment"]
    with progress.looking(len(wanted)) as looked:
        for i in sorted(wanted):
            products[i] = spectral_products(ExperimentView(ds, i), missing)
            looked()
    return products


def _on_front(table: pd.DataFrame) -> list[int]:
    if "on_front" not in table:
        return []
    members = np.flatnonzero(table["on_front"].to_numpy() == 1)
    return members[np.argsort(table["systematic"].to_numpy()[members])].tolist()


def _zones(
    ds: xr.Dataset,
    table: pd.DataFrame,
    groups: Sequence[ComparisonGroup],
    ranks: np.ndarray,
    progress: Progress,
) -> list[dict[str, Any]]:
    """A search of zones for each sky, instrument and noise."""
    skies: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
    for group in groups:
        values = group.settings
        sky = described({n: v for n, v in values.items() if not n.startswith("mask.")})
        mask = str(table["mask.expression"].iloc[group.members[0]])
        skies[sky].setdefault(mask, []).extend(group.members)
    numbers = table["cmb_variance"].to_numpy()

    def best(members: list[int]) -> int | None:
        known = [i for i in members if ranks[i] and np.isfinite(numbers[i])]
        return min(known, key=lambda i: numbers[i], default=None)

    found = []
    for sky, members in skies.items():
        if len(members) < 2:
            continue
        with progress.looking(sum(map(len, members.values()))) as looked:
            one = zones.search(ds, members, best, looked)
        if one is not None:
            found.append({"comparison_group": sky, **one})
    return found


def _templates(products: Sequence[SpectralProducts]) -> dict[str, Any]:
    """What spectra are compared with, for every resolution and beam that occurs."""
    found = {one.named: one.templates for one in products if one.templates is not None}
    return {name: packing.bins(found[name]) for name in sorted(found)}


def _maps(
    ds: xr.Dataset,
    table: pd.DataFrame,
    detailed: Sequence[int],
    first: Sequence[int],
    group_of: Sequence[int],
    missing: MissingProducts,
    progress: Progress,
) -> dict[str, Any]:
    maps: list[dict[str, Any] | None] = [None] * len(table)
    order = [*(i for i in first if i in set(detailed)), *(i for i in detailed if i not in first)]
    native, pixels = _sizes(ds, order)
    chosen = dict(zip(order, resolutions(native, pixels, LAYERS, range(len(order))), strict=True))
    atlas, truths, known = Atlas(), [], {}
    with progress.looking(len(order)) as looked:
        for i in sorted(order):
            experiment = ExperimentView(ds, i)
            layers, note = maps_of(experiment, missing)
            if layers:
                layers = {kind: layers[kind] for kind in KINDS if kind in layers}
                key = (group_of[i], chosen[i])
                if key not in known:
                    truth = truth_of(experiment)
                    known[key] = len(truths) if truth else None
                    if truth:
                        truths.append(atlas.pack(truth, chosen[i]))
                maps[i] = {
                    **atlas.pack(layers, chosen[i]),
                    "native": _nside(next(iter(layers.values()))),
                    "note": note,
                    "truth": known[key],
                }
            looked()
    return {"maps": maps, "masks": atlas.masks, "truths": truths}


def _nside(values: np.ndarray) -> int:
    return round((values.size / 12) ** 0.5)


def _sizes(ds: xr.Dataset, order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Resolution and number of kept pixels of experiments."""
    fractions = np.nanmax(ds["sky_fraction"].values, axis=1, initial=0.0)
    base = json.loads(ds.attrs["base"])
    sides = (
        ds["sky.nside"].values if "sky.nside" in ds else np.full(fractions.size, base["sky.nside"])
    )
    native = [int(sides[i]) for i in order]
    pixels = [round(12 * n**2 * float(fractions[i])) for i, n in zip(order, native, strict=True)]
    return native, pixels


def _launches(store: Store) -> list[dict[str, Any]]:
    """Where results come from: one entry a launch, whatever segments it added."""
    found: dict[str, dict[str, Any]] = {}
    for segment in store.segments.values():
        origin = segment.provenance
        command = shlex.join(map(str, origin.get("command", [])))
        launch = found.setdefault(
            f"{origin.get('created')} {command}",
            {
                "created": origin.get("created"),
                "command": command,
                "commit": origin.get("commit"),
                "machine": origin.get("machine"),
                "processor": origin.get("processor"),
                "versions": origin.get("versions", {}),
                "segments": [],
                "experiments": 0,
            },
        )
        launch["segments"].append(segment.name)
        launch["experiments"] += len(segment.identities)
    return list(found.values())
