"""Packages and workers of tests, light enough that a spawned process starts in no time.

`python -m tests.engines.workers FOLDER` is a parent that can be killed.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.engines import LocalEngine

FOREVER = 120.0


@dataclass(frozen=True)
class Job:
    """Stands for a package; every attempt at it leaves a file in `folder`."""

    name: str
    folder: str
    seconds: float = 0.0

    @property
    def tasks(self) -> tuple[str, ...]:
        return (self.name,)

    def attempt(self) -> int:
        """Note an attempt, by this process; returns how many there have been."""
        Path(self.folder, f"{self.name}.{time.time_ns()}.{os.getpid()}").touch()
        return len(list(Path(self.folder).glob(f"{self.name}.*")))


def jobs(folder: Path, *names: str, seconds: float = 0.0) -> Any:
    """Packages, as the engines take them."""
    return [Job(name, str(folder), seconds) for name in names]


def attempts(folder: Path, name: str) -> int:
    return len(list(folder.glob(f"{name}.*")))


def pids(folder: Path) -> set[int]:
    return {int(p.name.split(".")[2]) for p in folder.glob("*.*.*")}


def work(job: Any) -> list[Any]:
    job.attempt()
    time.sleep(job.seconds)
    return [f"done {job.name}"]


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
