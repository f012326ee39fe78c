"""Packages and a worker that only say what becomes of them; a spawned process starts in no time."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """Stands for a package; every attempt at it leaves a file in `folder`."""

    name: str
    folder: str
    seconds: float = 0.0

    @property
    def tasks(self) -> tuple[str, ...]:
        """As a package has them."""
        return (self.name,)

    def attempt(self) -> int:
        """Note an attempt, by this process; returns how many there have been."""
        Path(self.folder, f"{self.name}.{time.time_ns()}.{os.getpid()}").touch()
        return len(list(Path(self.folder).glob(f"{self.name}.*")))


def jobs(folder: Path, *names: str, seconds: float = 0.0) -> Any:
    """Packages, as the engines take them."""
    return [Job(name, str(folder), seconds) for name in names]


def attempts(folder: Path, name: str) -> int:
    """How often a job has been tried."""
    return len(list(folder.glob(f"{name}.*")))


def work(job: Any) -> list[Any]:
    """Note the attempt, take the job's time and say so."""
    job.attempt()
    time.sleep(job.seconds)
    return [f"done {job.name}"]
