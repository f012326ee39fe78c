"""A store of 100 000 experiments with 100 realisations: files, seconds and memory.

Scalars only, synthetic numbers. Each step runs in a process of its own for its peak memory; the
files are in the page cache. Beside it the usual way, one npz an experiment: written by as many
processes, without the fsync that makes a record durable.
"""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.record import keep, peak_megabytes
from sweep.statistics.moments import Moments
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.variance import convergence, paired, statistics
from sweep.store import (
    ExperimentEntry,
    Layout,
    SegmentSpec,
    Store,
    Unit,
    UnitWriter,
    compact,
    open_dataset,
    publish,
)
from sweep.types import Status

EXPERIMENTS = 100_000
REALISATIONS = 100
TOGETHER = 25
WRITERS = 4

STATISTICS: dict[str, Callable[[xr.Dataset], object]] = {
    "statistics": statistics,
    "statistics by dask": lambda ds: statistics(ds.chunk(experiment=10_000)).compute(),
    "paired": lambda ds: paired(ds, 0),
    "convergence": convergence,
    "best": lambda ds: best(ds, "cmb_variance"),
}
READING = {"summary": summary, **STATISTICS}


def main() -> None:
    """Publish, write, read, compact, read again, and the statistics."""
    with TemporaryDirectory() as folder:
        store, naive = Path(folder) / "a.zarr", Path(folder) / "naive"
        steps = [("publish", store), ("write", store), *_reading(store), ("compact", store)]
        steps += [*_reading(store), *((name, store) for name in STATISTICS)]
        rows = [_row(*step) for step in steps]
        rows += [_row("npz: write", naive), _row("npz: summary", naive)]
    keep("store_scale", rows)


def _reading(store: Path) -> list[tuple[str, Path]]:
    return [("pending units", store), ("open", store), ("summary", store)]


def _row(step: str, path: Path) -> dict:
    program = f"from benchmarks.store_scale import one; one({step!r}, {str(path)!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = [p for top in path.parent.glob(f"{path.name}*") for p in top.rglob("*") if p.is_file()]
    row = {
        **json.loads(done.stdout.splitlines()[-1]),
        "files": len(found),
        "MB": round(sum(p.stat().st_size for p in found) / 1e6),
    }
    print(json.dumps(row), flush=True)
    return row


def one(step: str, path: str) -> None:
    """One step in this process."""
    place = Path(path)
    prepared = spec() if step == "publish" else None
    work: dict[str, Callable[[], object]] = {
        "publish": lambda: publish(place, prepared or spec()),
        "write": lambda: _together(_write, place),
        "pending units": lambda: Store(place).pending_units(),
        "open": lambda: open_dataset(place),
        "compact": lambda: compact(place),
        "npz: write": lambda: _together(_write_npz, place),
        "npz: summary": lambda: _read_npz(place),
    }
    if step in READING:
        dataset = open_dataset(place)
        work[step] = lambda: READING[step](dataset)
    start = time.perf_counter()
    work[step]()
    seconds = time.perf_counter() - start
    row = {
        "step": step,
        "experiments": EXPERIMENTS,
        "seconds": seconds,
        "experiments/s": EXPERIMENTS / seconds,
        "peak MB": peak_megabytes(),
    }
    print(json.dumps(row))


def spec() -> SegmentSpec:
    """Configurations of 60 keys, of which four differ."""
    base = {f"group{k % 8}.key{k}": (k / 2 if k % 2 else f"choice {k}") for k in range(56)}
    return SegmentSpec(
        experiments=tuple(
            ExperimentEntry(
                hashlib.sha256(b"%d" % k).hexdigest(),
                base
                | {
                    "clusters.beta_dust": 10 * (k % 100 + 1),
                    "clusters.temp_dust": 5 * (k // 100 % 100 + 1),
                    "noise.ratio": k // 10_000 / 10,
                    "solver.name": ("newton", "adabk0")[k % 2],
                },
            )
            for k in range(EXPERIMENTS)
        ),
        realisations=tuple(range(REALISATIONS)),
        block=REALISATIONS,
        clusters={"beta_dust": 1000, "temp_dust": 500, "beta_pl": 500},
        nside=64,
        parameters=False,
        experiments_per_unit=TOGETHER,
    )


def _together(work: Callable[[Path, int], None], path: Path) -> None:
    processes = [multiprocessing.Process(target=work, args=(path, k)) for k in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a writer failed")


def _write(path: Path, number: int) -> None:
    writer, rng = UnitWriter(path), np.random.default_rng(number)
    for unit in Store(path).pending_units()[number::WRITERS]:
        layout = writer.segment(unit.segment).layout
        writer.write(unit, _arrays(layout, unit, rng), seconds=1.0)


def _arrays(layout: Layout, unit: Unit, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def values(name: str) -> np.ndarray:
        shape, dtype = layout.unit_shape(name, unit), layout.dtype(name)
        if name == "status":
            return rng.choice([Status.CONVERGED, Status.MAX_STEPS], shape).astype(dtype)
        return rng.standard_normal(shape) if dtype.kind == "f" else np.ones(shape, dtype)

    return {name: values(name) for name in layout.variables}


def _write_npz(path: Path, number: int) -> None:
    path.mkdir(exist_ok=True)
    layout = SegmentSpec(
        experiments=(ExperimentEntry("0" * 64, {}),),
        realisations=tuple(range(REALISATIONS)),
        block=REALISATIONS,
        clusters={"beta_dust": 1, "temp_dust": 1, "beta_pl": 1},
        nside=64,
        parameters=False,
    ).layout
    rng = np.random.default_rng(number)
    for k in range(number, EXPERIMENTS, WRITERS):
        arrays = _arrays(layout, Unit("npz", 0, 0), rng)
        np.savez_compressed(path / f"{k}.npz", **{n: a[0] for n, a in arrays.items()})  # pyright: ignore[reportArgumentType]


def _read_npz(path: Path) -> pd.DataFrame:
    """The means of a summary."""
    names = ("cmb_variance", "nll", "iterations", "evaluations", "gradient_norm", "seconds")
    rows = []
    for file in sorted(os.listdir(path)):
        with np.load(path / file) as held:
            usable = np.isin(held["status"], [s for s in Status if s.usable])
            moments = {name: Moments.of(held[name], usable) for name in names}
            certified = Moments.of(held["scan_certified"] == 1, usable).mean
            rows.append({**{n: float(m.mean) for n, m in moments.items()}, "certified": certified})
    return pd.DataFrame(rows)
