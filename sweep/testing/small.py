"""Sweeps small enough for a test: nside 4, one or two clusters, a solver that compiles fast."""

from pathlib import Path

import numpy as np

import sweep
from sweep.config import SweepConf
from sweep.engines import Engine, LocalEngine
from sweep.progress import Progress
from sweep.session import Launch, Request, launch
from sweep.store import open_dataset

SMALL = (
    "sky.nside=4",
    "mask.expression=ALL",
    "clusters.beta_dust=2",
    "clusters.temp_dust=1",
    "clusters.beta_pl=1",
    "solver=scipy_tnc",
    "solver.max_steps=20",
    "noise.realisations=2",
    "fit.block=1",
)

NUMBERS = ("cmb_variance", "nll", "gradient_norm", "beta_dust", "temp_dust", "beta_pl")
COUNTS = ("status", "iterations", "evaluations", "scan_certified", "jumps", "unconstrained")


def small(*overrides: str, store: Path | str = "runs/sweep.zarr") -> SweepConf:
    """A composed configuration; `overrides` win over `SMALL`."""
    return sweep.compose([*SMALL, f"store.path='{store}'", *overrides])


def grid(store: Path | str, *points: str) -> list[SweepConf]:
    """A configuration for each of `points`, overrides separated by blanks."""
    return [small(*point.split(), store=store) for point in points]


def run(confs: list[SweepConf], engine: Engine | None = None) -> Launch:
    """Launch without a word, in this process by default."""
    return launch(Request(confs, engine or LocalEngine(0)), Progress(None))


def arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Every result of a store, experiments sorted by identity."""
    ds = open_dataset(path).load().sortby("identity")
    found = {name: ds[name].values for name in (*NUMBERS, *COUNTS)}
    return found | {
        "identity": ds["identity"].values.astype(str),
        "realisation": ds["realisation"].values,
    }


def assert_same_results(one: Path | str, other: Path | str, rtol: float) -> None:
    """The same experiments and realisations, equal counts, and numbers within `rtol`."""
    left, right = arrays(one), arrays(other)
    for name in ("identity", "realisation", *COUNTS):
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    for name in NUMBERS:
        # where a fit ended is what is asked for; its slope there is noise, and tiny
        atol = 1e-6 if name == "gradient_norm" else 0.0
        np.testing.assert_allclose(left[name], right[name], rtol=rtol, atol=atol, err_msg=name)
