"""The seed problem by several solvers: same maps, start and box; NLL against time."""

import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.real import SEED_PROBLEM, check_data, real_sky
from benchmarks.record import keep, peak_megabytes
from sweep.assemble.setup import build
from sweep.fit import fit_block

RUNS: list[tuple[str, str, int]] = [
    ("newton", "direct", 1000),
    ("optax_lbfgs", "direct", 2000),
    ("scipy_tnc", "direct", 2000),
    *(("adabk0", "direct", steps) for steps in (50, 200, 800, 2000)),
    *(("adabk0", "furax", steps) for steps in (2, 6)),
]
"""Solver, likelihood, cap on its steps. The peer runs adabk0 on furax for 2000 steps."""


def main() -> None:
    """One realisation, noise ratio 1, each run in a process of its own for its peak memory."""
    check_data()
    rows = []
    for run in RUNS:
        program = f"from benchmarks.seed_problem import one; one(*{run!r})"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    keep("seed_problem", rows)


def one(name: str, likelihood: str, steps: int) -> None:
    """Fit twice, so that the second time is without compilation, and print what happened."""
    conf = real_sky(
        *SEED_PROBLEM,
        f"solver={name}",
        f"solver.max_steps={steps}",
        f"fit.likelihood={likelihood}",
        "noise.realisations=1",
    )
    setup = build(conf)
    maps = setup.maps((0,))
    start = time.perf_counter()
    result = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    first = time.perf_counter() - start
    seconds = float(result.seconds[0])
    if seconds < 20:
        again = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
        seconds = min(seconds, float(again.seconds[0]))
    row = {
        "solver": name,
        "likelihood": likelihood,
        "steps": int(result.iterations[0]),
        "evaluations": int(result.evaluations[0]),
        "status": int(result.status[0]),
        "seconds": round(seconds, 4),
        "compile s": round(first - float(result.seconds[0]), 1),
        "nll": f"{result.nll[0]:.4f}",
        "gradient norm": float(np.round(result.gradient_norm[0], 9)),
        "certified": int(result.scan_certified[0]),
        "peak MB": peak_megabytes(),
    }
    print(json.dumps(row))
