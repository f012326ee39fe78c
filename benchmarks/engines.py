"""The engines side by side: one grid of the real sky, overhead of a unit, one worker against two.

Needs mpiexec and SLURM's daemons for all rows; an engine that is not there is left out with a line.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

import sweep
from benchmarks.real import MASKS, SKY, check_data
from benchmarks.record import keep
from sweep.store import Store
from sweep.testing.cluster import Cluster, missing

BIN = Path(sys.executable).parent

_REAL = (
    "mask.expression=GAL020,GAL040,GAL060",
    "clusters.beta_dust=100,1000",
    "clusters.temp_dust=10,100",
    "clusters.beta_pl=10,50",
    "noise.realisations=24",
    "fit.block=12",
)

_LONG = (
    "mask.expression=GAL060",
    "clusters.beta_dust=1000,1500",
    "clusters.temp_dust=500",
    "clusters.beta_pl=500",
    "noise.ratio=0.5,1",
    "noise.realisations=48",
    "fit.block=12",
)
"""Bound by the fits: the programs that each worker loads first are few."""

_TINY = (
    "sky.nside=4",
    "mask.expression=ALL",
    "clusters.beta_dust=2",
    "clusters.temp_dust=1",
    "clusters.beta_pl=1",
    "noise.seed=range(0,200)",
    "noise.realisations=1",
)

_SLURM = ("hydra/launcher=slurm", "hydra.launcher.poll_s=0.5", "hydra.launcher.timeout_min=60")


def main() -> None:
    """Run each command as a user would, and read the figures from its store."""
    check_data()
    sky = ("sky=templates", f"sky.path={SKY}", f"mask.path={MASKS}")
    with tempfile.TemporaryDirectory() as name, _nodes() as cluster:
        folder = Path(name)
        env = os.environ | {"SKYSWEEP_CACHE": str(folder / "cache")} | cluster
        engines: dict[str, tuple[str, ...]] = {
            "local, 2 processes": ("hydra.launcher.processes=2",)
        }
        if shutil.which("mpiexec", path=str(BIN)):
            engines["mpi, 2 of 3 ranks compute"] = ("hydra/launcher=mpi",)
        if cluster:
            engines["slurm, 4 nodes"] = (*_SLURM, "hydra.launcher.array_parallelism=4")
        # clusters and compiled programs are cached by the first: all others find them there
        _run(folder, env, "warm", (*sky, *_REAL), ("hydra.launcher.processes=2",))
        _grid(folder, env, (*sky, *_REAL), engines)
        _overhead(folder, env, engines)
        _efficiency(folder, env, (*sky, *_LONG))


def _grid(folder: Path, env: dict[str, str], words: tuple[str, ...], engines: dict) -> None:
    rows, first = [], None
    for name, launcher in engines.items():
        seconds, path = _run(folder, env, f"grid-{len(rows)}", words, launcher)
        ds = sweep.open(path).sortby("identity")
        first = first if first is not None else ds
        numbers = ("cmb_variance", "nll", "beta_dust", "temp_dust", "beta_pl")
        gaps = [np.nanmax(np.abs(ds[v].values / first[v].values - 1)) for v in numbers]
        rows.append(
            {
                "engine": name,
                "experiments": ds.sizes["experiment"],
                "fits": ds["status"].size,
                "seconds": round(seconds, 1),
                "computing": round(_computing(path), 1),
                "cmb_variance": float(ds["cmb_variance"].mean()),
                "nll": float(ds["nll"].mean()),
                "same_status": bool((ds["status"].values == first["status"].values).all()),
                "largest_difference": float(max(gaps)),
            }
        )
    keep("engines", rows)


def _overhead(folder: Path, env: dict[str, str], engines: dict) -> None:
    rows = []
    for name in engines:
        launcher = {
            "local": ("hydra.launcher.processes=1",),
            "mpi": ("hydra/launcher=mpi",),
            "slurm": (*_SLURM, "hydra.launcher.array_parallelism=1"),
        }[name.split(",")[0]]
        _, path = _run(folder, env, f"tiny-{len(rows)}", _TINY, launcher, ranks=2)
        times, ends = _records(path)
        fits = float(sweep.open(path)["seconds"].sum()) / len(ends)
        # the first units compile: the median of the gaps between records does not see them
        gap = float(np.median(np.diff(ends)))
        rows.append(
            {
                "engine": name.split(",")[0],
                "units": len(ends),
                "ms_a_unit": round(1e3 * gap, 1),
                "ms_fit": round(1e3 * fits, 1),
                "ms_unit_work": round(1e3 * float(np.median(times)), 1),
                "ms_overhead": round(1e3 * (gap - fits), 1),
            }
        )
    keep("overhead", rows)


def _efficiency(folder: Path, env: dict[str, str], words: tuple[str, ...]) -> None:
    rows: list[dict] = []
    _run(folder, env, "warm-long", words, ("hydra.launcher.processes=2",))
    for count in (1, 2, 1, 2):
        launcher = (f"hydra.launcher.processes={count}",)
        seconds, path = _run(folder, env, f"workers-{len(rows)}", words, launcher)
        rows.append(
            {
                "workers": count,
                "seconds": round(seconds, 1),
                "computing": round(_computing(path), 1),
            }
        )
    one, two = (np.mean([r["computing"] for r in rows if r["workers"] == n]) for n in (1, 2))
    for row in rows:
        row["speedup"] = round(float(one / two), 3) if row["workers"] == 2 else 1.0
    keep("efficiency", rows)


def _run(
    folder: Path,
    env: dict[str, str],
    name: str,
    words: tuple[str, ...],
    launcher: tuple[str, ...],
    ranks: int = 3,
) -> tuple[float, Path]:
    path = folder / f"{name}.zarr"
    command = [str(BIN / "sweep"), "-m", *words, *launcher, f"store.path={path}"]
    if "hydra/launcher=mpi" in launcher:
        command = [str(BIN / "mpiexec"), "-n", str(ranks), *command]
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - start, path


def _records(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of every unit, and when it was recorded, in order."""
    records = [r for each in Store(path).records.values() for r in each]
    ends = np.array([datetime.fromisoformat(r.time).timestamp() for r in records])
    order = np.argsort(ends)
    return np.array([r.seconds for r in records])[order], ends[order]


def _computing(path: Path) -> float:
    """From the start of the first unit to the end of the last, s."""
    seconds, ends = _records(path)
    return float(ends.max() - (ends - seconds).min())


@contextmanager
def _nodes() -> Iterator[dict[str, str]]:
    """The environment of a SLURM of four nodes on this machine; empty where there is none."""
    if reason := missing():
        print("engines:", reason)
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with Cluster(folder) as cluster:
        yield dict(cluster.environment)
    shutil.rmtree(folder)
