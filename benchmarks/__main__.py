"""Run every benchmark in a process of its own; what needs the real sky or a GPU says so."""

import subprocess
import sys
import time

PARTS = (
    "likelihood",
    "solvers",
    "kmeans",
    "seed_problem",
    "throughput",
    "paper_grid",
    "growth",
    "pulls",
    "noise",
    "multirun",
    "planning",
    "plans",
    "engines",
    "faults",
    "scaling",
    "store_scale",
    "published",
    "choice",
    "races",
    "refined",
    "side_by_side",
    "fewer",
    "observed",
    "priors",
    "matrix",
    "restarts",
    "gpu",
)


def run(part: str) -> bool:
    """One benchmark, with the time it took; without its data it is skipped with a line."""
    program = f"""
from benchmarks.real import NoData
from benchmarks.{part} import main
try:
    main()
except NoData as reason:
    print("{part}:", reason)
"""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program]).returncode == 0
    took = time.perf_counter() - start
    print(f"{part}: {'done' if done else 'failed'} in {took:.0f} s", flush=True)
    return done


if __name__ == "__main__":
    # one that fails does not keep the others from running
    failed = [name for name in sys.argv[1:] or PARTS if not run(name)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
