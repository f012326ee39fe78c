"""Fits per second on an accelerator by block size, and the share of time in each phase."""

import json
import time
from typing import Any

import jax
import numpy as np

from benchmarks.record import keep
from benchmarks.throughput import PROBLEMS, bandwidth, fit, pass_bytes, phases, problem
from sweep.assemble.setup import Setup
from sweep.memory import block_bytes
from sweep.problem import observe_block
from sweep.solvers.base import repeated
from sweep.solvers.newton import NewtonSolver
from sweep.solvers.newton.box import internal_box, internal_starts

BLOCKS = (1, 4, 16, 64, 256, 512)


def main() -> None:
    """Run where jax finds an accelerator; says so and does nothing elsewhere."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        print("skipped: jax finds no accelerator")
        return
    speed = bandwidth(2**28)
    free = (device.memory_stats() or {}).get("bytes_limit", np.inf)
    rows = []
    for name, choice in PROBLEMS.items():
        setup = problem(*choice)
        needs = block_bytes(setup.solver, setup.objective, setup.problem, setup.bounds)
        for block in BLOCKS:
            if needs(block) > free:
                print(f"{name}: a block of {block} would not fit, {needs(block) / 1e9:.1f} GB")
                continue
            row = {"problem": name, "foreseen GB": round(needs(block) / 1e9, 2)}
            rows.append(row | measure(setup, block, speed))
            print(json.dumps(rows[-1]), flush=True)
    keep("gpu", rows)


def measure(setup: Setup, block: int, speed: float) -> dict[str, Any]:
    """A block of one problem, on a device that reads `speed` bytes a second."""
    solver = setup.solver
    assert isinstance(solver, NewtonSolver)
    fit(setup, range(block))  # compiles
    start = time.perf_counter()
    result = fit(setup, range(block))
    total = time.perf_counter() - start

    observed = observe_block(setup.problem, setup.maps(tuple(range(block))))
    box = internal_box(setup.bounds, setup.problem)
    starts = internal_starts(
        setup.bounds, repeated(setup.bounds.start, block), setup.problem.model, box
    )
    ended, work = solver.pools(setup.problem, observed.rows, box)(starts)
    lanes = solver.lanes(block)
    parts = phases(setup, lanes)
    ticks = work.ticks
    times = {"evaluate": ticks, "sums": ticks, "step": work.steps, "scan": work.scans}
    shares = {k: v * times.get(k, block / lanes) / 1e3 / total for k, v in parts.items()}
    evaluations = float(np.mean(ended.evaluations))
    bound = speed / (pass_bytes(setup) * evaluations)
    stats = jax.devices()[0].memory_stats() or {}
    return {
        "device": jax.devices()[0].device_kind,
        "block": block,
        "lanes": lanes,
        "fits/s": round(block / total, 2),
        "solver share": round(float(result.seconds.sum()) / total, 2),
        "evaluations": round(evaluations, 1),
        "scans": round(float(np.mean(ended.scans)), 1),
        **{f"{name} of the pool": count for name, count in work._asdict().items()},
        # of the evaluations of all lanes, those of fits that had not ended, or waited
        "busy": round(evaluations * block / (ticks * lanes), 2),
        "bound fits/s": round(bound, 1),
        "of the bound": round(block / total / bound, 4),
        "certified": int((result.scan_certified == 1).sum()),
        "peak GB so far": round(stats.get("peak_bytes_in_use", 0) / 1e9, 2),
        **{f"{k} ms": round(v, 3) for k, v in parts.items()},
        **{f"{k} share": round(v, 3) for k, v in shares.items()},
    }


if __name__ == "__main__":
    main()
