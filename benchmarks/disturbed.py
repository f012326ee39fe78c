"""Commands run as a user runs them, on one small grid, while something is done to them."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from sweep.store import open_dataset
from sweep.store.files import sidecar

BIN = Path(sys.executable).parent
FITS = 96
GRID = (
    "sky.nside=16",
    "mask.expression=ALL",
    "clusters.beta_dust=4",
    "clusters.temp_dust=2",
    "clusters.beta_pl=2",
    "solver=scipy_tnc",
    "noise.ratio=1,2,3,4",
    "noise.realisations=24",
    "fit.block=1",
)
LOCAL = ("hydra.launcher.processes=2",)
NUMBERS = ("cmb_variance", "nll", "beta_dust", "temp_dust", "beta_pl")
PATIENCE = 300.0
MOST_LAUNCHES = 40


class Surprise(RuntimeError):
    """Something was not as the documentation promises."""


def expect(held: object, what: str) -> None:
    """Stop where a promise is broken."""
    if not held:
        raise Surprise(what)


def until(held: Callable[[], Any], what: str) -> Any:
    """Wait until something holds; returns it."""
    end = time.monotonic() + PATIENCE
    while not (found := held()):
        expect(time.monotonic() < end, f"waited too long until {what}")
        time.sleep(0.01)
    return found


class Command:
    """A command in a session of its own, which prints into a file."""

    def __init__(self, words: list[str], log: Path, env: dict[str, str]) -> None:
        self._log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                words, env=env, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def wait(self) -> int:
        """Its exit status, in the end."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End this process at once, with no word to its children."""
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[psutil.Process]:
        """Processes of the local engine that compute."""
        return [p for p in self._children() if "spawn_main" in " ".join(p.cmdline())]

    def ranks(self) -> list[psutil.Process]:
        """Processes that mpiexec started."""
        return [p for p in self._children() if str(BIN / "sweep") in p.cmdline()[:2]]

    def _children(self) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if child.cmdline():
                    found.append(child)
            except psutil.Error:
                continue
        return found


@dataclass
class Row:
    """What is done to a store, and what came of it.

    Attributes:
        fault: in words.
        engine: in words.
        path: the store.
        words: of the command, beyond the grid.
        units: that the grid has with these words.
        injected: how often the fault was.
        launches: of the command.
        in_flight: units that the fault may have cost: one a worker that it ended.
        error: the last line of the command that the fault ended.
    """

    fault: str
    engine: str
    path: Path
    words: tuple[str, ...]
    units: int = FITS
    injected: int = 0
    launches: int = 0
    in_flight: int = 0
    error: str = ""


@dataclass
class Scene:
    """A folder for stores, and what runs there; all that is random comes from `rng`."""

    folder: Path
    env: dict[str, str]
    rng: random.Random
    commands: list[Command] = field(default_factory=list)

    def launch(self, row: Row) -> Command:
        """Start the sweep of a row."""
        row.launches += 1
        expect(row.launches <= MOST_LAUNCHES, f"{row.fault}: still not done")
        before = (str(BIN / "mpiexec"), "-n", "3") if "hydra/launcher=mpi" in row.words else ()
        sweep = (str(BIN / "sweep"), "-m", *GRID, *row.words, f"store.path={row.path}")
        return self._start(*before, *sweep)

    def finish(self, row: Row, units: int | None = None) -> None:
        """The same command again, which must end well; `units` is what it has to compute."""
        command = self.launch(row)
        expect(command.wait() == 0, f"{row.fault}: the rerun failed: {command.said[-500:]}")
        if units is not None:
            there = f"{units} units to compute" if units else "nothing to do: all"
            expect(there in command.said, f"{row.fault}: expected `{there}`: {command.said[-500:]}")

    def store(self, *words: str | Path) -> Command:
        """Start `sweep-store`."""
        return self._start(str(BIN / "sweep-store"), *map(str, words))

    def _start(self, *words: str) -> Command:
        log = self.folder / f"{len(self.commands)}.log"
        self.commands.append(Command(list(words), log, self.env))
        return self.commands[-1]

    def last_line(self, command: Command) -> str:
        """The last line that a command printed, without the folder of this benchmark.

        Of mpiexec it is the one that says how a rank ended: advice follows it.
        """
        lines = [line for line in command.said.replace("\r", "\n").splitlines() if line.strip()]
        ended = [line for line in lines if "EXIT STRING" in line] or lines[-1:]
        return ended[-1].replace(str(self.folder), "").strip() if ended else ""

    def disturb(
        self, row: Row, count: int, harm: Callable[[Command], bool], cost: int, least: int = 1
    ) -> None:
        """Launch and do harm at random times, so often; what that ends is launched again.

        Args:
            row: what is disturbed.
            count: how often.
            harm: does it; false where there was nothing to harm.
            cost: workers that one harm ends.
            least: units that are recorded after one harm and before the next.
        """
        command = self.launch(row)
        while True:
            if row.injected < count and self._moment(command, row, least):
                if harm(command):
                    row.injected += 1
                    row.in_flight += cost
            elif (status := command.wait()) == 0:
                return
            else:
                if status > 0:
                    row.error = self.last_line(command)
                command = self.launch(row)

    def _moment(self, command: Command, row: Row, least: int) -> bool:
        """Wait for a random moment; false where the command ended before it, or soon will."""
        more = self.rng.randint(least, row.units // 12)
        goal = lines(row.path) + more
        if goal > row.units * 0.95:
            return False
        until(lambda: lines(row.path) >= goal or not command.running, "units are recorded")
        # where no unit is waited for, anything from the start of Python on
        time.sleep(self.rng.uniform(0, 0.3 if more else 6.0))
        return command.running

    def close(self) -> None:
        """End what still runs."""
        for command in self.commands:
            if command.running:
                os.killpg(command.process.pid, signal.SIGKILL)
                command.process.wait()


def lines(path: Path) -> int:
    """Lines in the journals of a store, counted without a look into them."""
    return sum(file.read_bytes().count(b"\n") for file in journals(path))


def journals(path: Path) -> list[Path]:
    """The journals of a store."""
    return list(sidecar(path).glob("journal/*.jsonl"))


def values(path: Path) -> dict[str, np.ndarray]:
    """Statuses and numbers of a store, experiments sorted by identity."""
    ds = open_dataset(path).load().sortby("identity")
    return {name: ds[name].values for name in ("status", *NUMBERS)}


def new_row(
    scene: Scene, fault: str, engine: str, words: tuple[str, ...], units: int = FITS
) -> Row:
    """A row about a store that is not there yet."""
    return Row(fault, engine, scene.folder / f"{len(scene.commands)}.zarr", words, units)


def copied(source: Path, path: Path) -> None:
    """Put a copy of a store, and of the folder beside it, in place of another."""
    for one, other in ((source, path), (sidecar(source), sidecar(path))):
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(one, other)


def kill_one(scene: Scene, processes: list[psutil.Process]) -> bool:
    """Kill -9 of one of some processes; false where there is none."""
    try:
        scene.rng.choice(processes).kill()
    except (IndexError, psutil.NoSuchProcess):
        return False
    return True
