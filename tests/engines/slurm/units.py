"""Units of made-up results that an engine records: its jobs start in a second and fit nothing."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sweep.store import Store, Unit, UnitWriter, publish, verify
from tests.store.helpers import assert_expected, make_spec, write_unit

COUNT = 8


@dataclass(frozen=True)
class Task:
    unit: Unit


@dataclass(frozen=True)
class Package:
    """As the engines take it, of one unit."""

    store: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Record:
    """A worker that takes its time; one that `hurries` does so only until its job was put back."""

    seconds: float = 0.0
    hurries: bool = False

    def __call__(self, package: Any) -> list[Any]:
        if not (self.hurries and "SLURM_RESTART_COUNT" in os.environ):
            time.sleep(self.seconds)
        for task in package.tasks:
            write_unit(_writer(package.store), task.unit)
        return []


def die(package: Any) -> list[Any]:
    """A worker that is killed as by the system."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def swell(package: Any) -> list[Any]:
    """A worker with more memory than it was given."""
    held = bytearray(2 * 2**30)
    held[::4096] = bytes(len(held[::4096])).replace(b"\0", b"x")
    time.sleep(60)
    return []


@cache
def _writer(store: str) -> UnitWriter:
    return UnitWriter(store)


def published(path: Path, count: int = COUNT) -> Any:
    """A store of so many units, and a package for each."""
    publish(path, make_spec(range(1), realisations=tuple(range(count)), block=1))
    return [Package(str(path), (Task(unit),)) for unit in Store(path).pending_units()]


class Background:
    """An engine that carries the units while a test does harm."""

    def __init__(self, path: Path, engine: Any, worker: Any) -> None:
        self.path = path
        self.said: list[Any] = []
        self.lines: list[str] = []
        self.died: list[BaseException] = []
        packages = published(path)

        def run() -> None:
            try:
                for outcomes in engine.run(packages, worker, self.lines.append):
                    self.said += outcomes
            except BaseException as error:
                self.died.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def recorded(self) -> int:
        return len(Store(self.path).done_units())

    def end(self) -> None:
        """Wait for the engine."""
        self._thread.join(240)
        assert not self._thread.is_alive()
        assert not self.died

    def check(self) -> None:
        """The engine ends, with every unit recorded once and nothing wrong, and nothing stays."""
        self.end()
        assert [o.error for o in self.said] == [None] * COUNT, self.lines
        assert not (self.path.with_name(f"{self.path.name}.sweep") / "slurm").exists()
        assert all(len(records) == 1 for records in Store(self.path).records.values())
        assert verify(self.path).clean
        assert_expected(self.path)
        assert self.recorded() == COUNT

    def submissions(self) -> int:
        return sum(line.startswith("submitted ") for line in self.lines)
