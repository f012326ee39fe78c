"""Run as `python -m tests.store.processes`: real processes that race, or are killed.

This process only forks, kills and waits, so that each child costs milliseconds, not an import.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.store import Store, UnitWriter, compact, fold, publish, seal, verify

from .helpers import fill, make_spec, write_unit

USERS, GROUP = (61001, 61002), 61000
"""Numbers that nobody has."""


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def kill_loop(path: Path, kills: int) -> None:
    """Kill -9 `kills` writers that work on the same store, each at a random time."""
    rng = random.Random(7)
    killed = 0
    for _ in range(kills):
        pid = forked(lambda: fill(path))
        time.sleep(rng.uniform(0.02, 0.2))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
    print(killed)


def races(folder: Path, rounds: int) -> None:
    """In each round four processes make the same new store at once, as small as one can be."""
    for number in range(rounds):
        race(folder / f"{number}.zarr", 4, maps=None, spectra=None, parameters=False)


def race(path: Path, processes: int, **changes: Any) -> None:
    """Publish from `processes` processes at once; the same experiments in all of them."""
    gate, opened = os.pipe()

    def work() -> None:
        os.close(opened)
        os.read(gate, 1)
        publish(path, make_spec(**changes))

    pids = [forked(work) for _ in range(processes)]
    os.close(gate)
    time.sleep(0.03)
    os.close(opened)
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    if any(codes):
        sys.exit(f"exit codes {codes}")


def share(path: Path, umask: int) -> None:
    """Two users of one group fill, seal and compact the same store in turns."""
    fold.SETTLE = 0.0  # nobody writes meanwhile

    def turn(store: Path, first: int) -> None:
        publish(store, make_spec(range(first, first + 2)))
        writer = UnitWriter(store)
        units = Store(store).pending_units()
        writer.fail(units[0], OSError("planted"), 1)
        for unit in units[:-1]:  # the last is left to the next user
            write_unit(writer, unit)
        seal(store)
        compact(store)
        assert verify(store).clean

    def ours(user: int, first: int) -> None:
        os.setgroups([])
        os.setgid(GROUP)
        os.setuid(user)
        os.umask(umask)
        turn(path, first)

    with tempfile.TemporaryDirectory() as folder:
        turn(Path(folder, "any.zarr"), 0)  # imports what these users may not read where root put it

    for number, user in enumerate((*USERS, *USERS)):
        _, status = os.waitpid(forked(lambda: ours(user, 2 * number)), 0)  # noqa: B023
        print(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    {"kill_loop": kill_loop, "race": race, "races": races, "share": share}[sys.argv[1]](
        Path(sys.argv[2]), int(sys.argv[3])
    )
