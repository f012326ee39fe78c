"""Workers that die or tell about themselves, light enough that a process starts in no time.

`python -m tests.engines.workers FOLDER` is a parent that can be killed.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sweep.engines import LocalEngine
from sweep.testing.workers import jobs, work

FOREVER = 120.0


def pids(folder: Path) -> set[int]:
    return {int(p.name.split(".")[2]) for p in folder.glob("*.*.*")}


def die_first(job: Any) -> list[Any]:
    """Killed as by the system, where the package is called bad and this is the first attempt."""
    if job.attempt() == 1 and job.name.startswith("bad"):
        os.kill(os.getpid(), signal.SIGKILL)
    return [f"done {job.name}"]


def die_always(job: Any) -> list[Any]:
    job.attempt()
    if job.name.startswith("bad"):
        time.sleep(0.2)  # the others are under way
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(job.seconds)
    return [f"done {job.name}"]


def die_loudly(job: Any) -> list[Any]:
    job.attempt()
    raise ValueError("two\nlines")


def end_at_once(*_: Any) -> None:
    os._exit(1)


def describe(job: Any) -> list[Any]:
    """What this worker may use."""
    job.attempt()
    time.sleep(job.seconds)
    names = ("OMP_NUM_THREADS", "JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES")
    shared: dict[str, Any] = {name: os.environ.get(name) for name in names}
    shared["pid"] = os.getpid()
    return [{"cores": sorted(os.sched_getaffinity(0)), "jax": "jax" in sys.modules, **shared}]


if __name__ == "__main__":
    for _ in LocalEngine(2).run(jobs(Path(sys.argv[1]), "a", "b", seconds=FOREVER), work):
        pass
