"""Run every benchmark in a process of its own; what needs the real sky or a GPU says so."""

import subprocess
import sys

PARTS = (
    "likelihood",
    "solvers",
    "kmeans",
    "seed_problem",
    "throughput",
    "paper_grid",
    "growth",
    "certificate",
    "multirun",
    "planning",
    "plans",
    "engines",
    "faults",
    "scaling",
    "store_scale",
    "published",
    "gpu",
)


def run(part: str) -> None:
    """One benchmark; without its data it is skipped with a line."""
    program = f"""
from benchmarks.real import NoData
from benchmarks.{part} import main
try:
    main()
except NoData as reason:
    print("{part}:", reason)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        run(name)
