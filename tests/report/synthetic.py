"""A collected store of any number of experiments: numbers that look like some, packed as such."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from sweep.quantities.table import COLUMNS
from sweep.report.columns import number_columns, places
from sweep.report.maps import KINDS, LAYERS, resolutions
from sweep.report.packing import text

NSIDE = 64
KEPT = 29491
"""Pixels of 60 % of the sky: what the published problem fits."""


def collected(count: int, seed: int = 1) -> dict[str, Any]:
    """What `collect` gives, for `count` experiments of three swept counts and two solvers."""
    rng = np.random.default_rng(seed)
    labels = [hashlib.sha256(b"%d" % i).hexdigest()[:8] for i in range(count)]
    axes = {
        "clusters.beta_dust": [20, 50, 100, 200, 500, 1000, 1500, 2000, 3000, 5000],
        "clusters.temp_dust": [5, 10, 20, 50, 100, 200, 300, 400, 500, 1000],
        "clusters.beta_pl": [2, 5, 10, 20, 50, 100, 200, 300, 400, 500],
        "solver": ["newton", "adabk0"],
    }
    settings, step = [], 1
    for name, values in axes.items():
        codes = [i // step % len(values) for i in range(count)]
        settings.append({"name": name, "varying": True, "values": values, "codes": codes})
        step *= len(values)
    table = columns(count, rng)
    finest = resolutions([NSIDE] * count, [KEPT] * count, LAYERS, range(count))
    return {
        "name": "synthetic.zarr",
        "path": "runs/synthetic.zarr",
        "looked_at": "2026-01-01T00:00:00+00:00",
        "version": "0.1.0",
        "noiseless": count,
        "status": status(count),
        "launches": [launch(count)],
        "base": {"sky.name": "synthetic", "sky.nside": NSIDE, "noise.ratio": 1.0},
        "labels": labels,
        "settings": settings,
        "columns": [c | {"values": c["values"].tolist()} for c in number_columns(table)],
        **places(table),
        "comparison_groups": [{"label": "", "settings": {}}],
        "comparison_group": [0] * count,
        "estimators": ["cross"],
        "warnings": [],
        "best": [ranked()] if count > 1 else [],
        "races": [],
        "zones": [],
        "templates": {str(NSIDE): templates()},
        "map_kinds": KINDS,
        "spectra": [
            {"templates": str(NSIDE), "data": codes_of(rng, 3 * 128)} for _ in range(count)
        ],
        "likelihoods": [bell() for _ in range(count)],
        "masks": [mask(nside) for nside in sorted(set(finest))],
        "maps": [maps(rng, nside, sorted(set(finest))) for nside in finest],
        "truths": [],
        "missing": [],
    }


def columns(count: int, rng: np.random.Generator) -> pd.DataFrame:
    r = 1e-3 * (1 + rng.random(count))
    found: dict[str, Any] = dict.fromkeys(("realisations", "usable", "converged"), 20)
    found |= {"certified": 1.0, "unusable": 0}
    for name, scale in (
        ("cmb_variance", 0.1),
        ("cmb_variance_variance", 1e-7),
        ("residual_variance", 1e-3),
        ("systematic", 5e-4),
        ("statistical", 5e-4),
        ("nll", -1e9),
        ("iterations", 5),
        ("evaluations", 8),
        ("gradient_norm", 1e-7),
        ("seconds", 2),
    ):
        found[name] = scale * (1 + 0.1 * rng.random(count))
        if COLUMNS[name].unit.startswith("uK"):
            found[f"{name}_error"] = np.abs(0.01 * found[name])
    found |= {"on_front": (np.arange(count) % 100 == 0).astype(int), "r": r}
    found |= {"r_minus": 0.4 * r, "r_plus": 0.5 * r, "r_upper_68": 1.5 * r}
    found |= {"r_upper_95": 2 * r, "r_limit_95": 1.9 * r, "bias": r}
    table = pd.DataFrame(found, index=range(count))
    table.attrs["settings"] = []
    return table


def status(count: int) -> dict[str, Any]:
    return {
        "experiments": count,
        "segments": 1,
        "units_done": count,
        "units_missing": 0,
        "fits_done": 21 * count,
        "fits_missing": 0,
        "statuses": {"converged": 21 * count},
        "seconds": 3600.0,
        "groups": [],
        "failures": [],
        "poisoned": [],
        "rate": 1.0,
        "eta": None,
        "age": 60.0,
        "places": [],
        "torn_lines": 0,
    }


def launch(count: int) -> dict[str, Any]:
    return {
        "created": "2026-01-01T00:00:00+00:00",
        "command": "sweep -m +experiment=paper_grid",
        "commit": "0" * 40,
        "machine": "Linux",
        "processor": "x86_64",
        "versions": {"skysweep": "0.1.0"},
        "segments": ["segment-1"],
        "experiments": count,
    }


def ranked() -> dict[str, Any]:
    return {
        "comparison_group": 0,
        "metric": "cmb_variance",
        "estimator": None,
        "compared": 20,
        "experiments": 2,
        "first": 0,
        "value": 0.1,
        "error": 0.001,
        "second": 1,
        "delta_to_best": 0.001,
        "delta_to_best_error": 0.0001,
        "significance": 10.0,
        "tied": False,
    }


def templates() -> dict[str, Any]:
    ell = np.arange(2, 130)
    lensing = np.full(128, 2e-6)
    return {"ell": ell.tolist(), "lensing": lensing.tolist(), "tensor": (1e-1 / ell**2.0).tolist()}


def codes_of(rng: np.random.Generator, count: int) -> str:
    """Powers of 1e-7 to 1e-5 uK^2 as `packing.logarithms` would give them."""
    return text(rng.integers(14400, 17600, count).astype("<i2").tobytes())


def bell() -> dict[str, Any]:
    values = np.exp(-0.5 * np.linspace(-3.7, 3.7, 65) ** 2)
    return {"r": [-1e-3, 1e-3, 3e-3], "data": text(np.rint(65535 * values).astype("<u2").tobytes())}


def kept_pixels(nside: int) -> int:
    return round(KEPT * (nside / NSIDE) ** 2)


def mask(nside: int) -> dict[str, Any]:
    bits = np.zeros(12 * nside**2, bool)
    bits[: kept_pixels(nside)] = True
    return {"nside": nside, "bits": text(np.packbits(bits).tobytes())}


def maps(rng: np.random.Generator, nside: int, sides: list[int]) -> dict[str, Any]:
    """Maps of noise: nothing compresses worse."""
    ranges = {"systematic": (-0.1, 0.1), "statistical": (0.01, 0.05), "temp_dust": (16.0, 25.0)}
    layers = []
    for kind in (k for k in KINDS if k != "mean"):
        low, high = ranges.get(kind, (1.4, 1.7))
        data = text(rng.integers(0, 255, kept_pixels(nside), np.uint8).tobytes())
        layers.append({"kind": kind, "low": low, "high": high, "data": data})
    return {
        "nside": nside,
        "mask": sides.index(nside),
        "layers": layers,
        "native": NSIDE,
        "note": "Parameters of the fit without noise",
        "truth": None,
    }
