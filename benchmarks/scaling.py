"""What limits many workers on one store: measured constants, then a small simulation.

A worker computes a unit, then writes it: `OPERATIONS` requests to the metadata server of the file
system, which serves all workers one after another at a given rate. Everything else scales.
"""

import heapq
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import keep
from sweep.store import ExperimentEntry, SegmentSpec, Store, UnitWriter, publish

EXPERIMENTS = 500
RATE = 20_000.0
"""Metadata requests a second that a file system serves: what MDTest reports for one busy Lustre
server is 10^4 to 10^5. An assumption; measure your own."""

SEED_FIT = 0.33
"""Seconds a fit of the seed problem, on one core; see throughput.json."""

TOTAL = 10**8
"""Realisations of the campaign that is laid out."""


def main() -> None:
    """Measure the constants here, then simulate."""
    constants = _constants()
    keep("scaling_constants", [constants])
    counts = constants["requests_a_unit"], constants["files_a_unit"]
    keep("scaling", [_row(n, s, *counts) for n in (100, 1000, 10_000) for s in (1, 10, 60, 600)])


def _constants() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zarr"
        publish(path, _spec())
        writer = UnitWriter(path)
        (segment,) = Store(path).segments.values()
        units = list(segment.units())
        layout = segment.layout
        arrays = {
            v: np.ones(layout.unit_shape(v, units[0]), layout.dtype(v)) for v in layout.variables
        }
        writer.write(units[0], arrays, seconds=1.0)
        start = time.perf_counter()
        for unit in units[1:]:
            writer.write(unit, arrays, seconds=1.0)
        write = (time.perf_counter() - start) / (len(units) - 1)
        start = time.perf_counter()
        assert len(Store(path).done_units()) == len(units)
        read = (time.perf_counter() - start) / len(units)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import sweep.worker"], check=True)
    imports = time.perf_counter() - start
    opened = subprocess.run(
        [sys.executable, "-c", "import sys, sweep.worker; print(len(sys.modules))"],
        check=True,
        capture_output=True,
        text=True,
    )
    files = len(layout.variables)
    return {
        "files_a_unit": files,
        # create, fsync, rename and read back of each, fsync of its folder; one journal line
        "requests_a_unit": 5 * files + 2,
        "ms_write_a_unit": round(1e3 * write, 2),
        "us_read_a_record": round(1e6 * read, 1),
        "s_start": round(imports, 2),
        "files_opened_at_start": int(opened.stdout),
    }


def _spec() -> SegmentSpec:
    entries = tuple(
        ExperimentEntry(f"{i:064x}", {"clusters.beta_dust": i}) for i in range(EXPERIMENTS)
    )
    return SegmentSpec(
        experiments=entries,
        realisations=tuple(range(100)),
        block=100,
        clusters={"beta_dust": 100, "temp_dust": 10, "beta_pl": 10},
        nside=64,
        parameters=True,
    )


def _row(workers: int, seconds: float, operations: int, files: int) -> dict[str, Any]:
    busy = simulate(workers, seconds, operations / RATE)
    return {
        "workers": workers,
        "s_a_unit": seconds,
        "busy": round(busy, 3),
        "requests_a_s": round(workers * busy / seconds * operations),
        "files_for_1e8": round(TOTAL / _realisations(seconds) * files),
        "workers_at_most": round(seconds * RATE / operations),
    }


def _realisations(seconds: float) -> float:
    """Of a unit that takes so long, on a core."""
    return max(1.0, seconds / SEED_FIT)


def simulate(workers: int, seconds: float, service: float, rounds: int = 20) -> float:
    """Share of the time that workers compute, while one server takes `service` s a unit.

    Args:
        workers: number of them.
        seconds: mean time of a unit; times scatter by 30 %, and workers start at random.
        service: time of the server for what one unit asks of it.
        rounds: mean times of a unit that are simulated.
    """
    draws = np.random.default_rng(0)
    end = rounds * seconds
    events = draws.uniform(0, seconds, workers).tolist()
    computed = sum(events)
    heapq.heapify(events)
    server = 0.0
    while (ready := heapq.heappop(events)) < end:
        server = max(server, ready) + service
        unit = seconds * float(draws.lognormal(-0.045, 0.3))
        computed += max(0.0, min(unit, end - server))
        heapq.heappush(events, server + unit)
    return computed / (workers * end)
