"""Processes on this machine: one an accelerator, or one a core group."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import SimpleQueue
from typing import Any

from sweep.engines.base import ATTEMPTS, Engine, Item, Lost, Result
from sweep.engines.devices import Slot, slots
from sweep.errors import ConfigError


class LocalEngine(Engine):
    """Spawned processes, each pinned to its device or cores before jax is imported.

    Args:
        processes: number of workers; `auto` is one per accelerator, else one per core; 0 computes
            in this process.
    """

    name = "local"

    def __init__(self, processes: Any) -> None:
        if processes != "auto" and (not isinstance(processes, int) or processes < 0):
            raise ConfigError(
                f"hydra.launcher.processes = {processes!r}: must be auto, or an integer from 0 on"
            )
        self._slots = slots(None if processes == "auto" else processes)

    def workers(self) -> int:
        """See `Engine.workers`."""
        return max(len(self._slots), 1)

    def started(self, packages: int) -> str:
        """See `Engine.started`."""
        count = min(len(self._slots), packages)
        return f"local, {count} worker processes" if count else "local, in this process"

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> "Generator[tuple[int, Result | Lost]]":
        """See `Engine.map`."""
        if not self._slots:
            yield from super().map(function, items)
            return
        todo = deque((position, 1) for position in range(len(items)))
        while todo:
            yield from self._map_pool(todo, function, items)

    def _map_pool(
        self,
        todo: deque[tuple[int, int]],
        function: Callable[[Item], Result],
        items: Sequence[Item],
    ) -> "Generator[tuple[int, Result | Lost]]":
        """Work through `todo` until it is empty or a worker dies; the lost items go back."""
        context = multiprocessing.get_context("spawn")
        queue: SimpleQueue[Slot] = context.SimpleQueue()
        started: SimpleQueue[str] = context.SimpleQueue()
        count = min(len(self._slots), len(todo))
        for slot in self._slots[:count]:
            queue.put(slot)
        pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_start_worker, initargs=(queue, started)
        )
        running: dict[Future, tuple[int, int]] = {}
        broken = False
        try:
            while running or (todo and not broken):
                # no more than one item a worker is handed over, so that a death costs few
                while todo and not broken and len(running) < count:
                    # a death ends all workers: the last attempt is alone, to tell whose fault it is
                    alone = any(n == ATTEMPTS for _, n in (todo[0], *running.values()))
                    if alone and running:
                        break
                    try:
                        with _without_script():
                            future = pool.submit(function, items[todo[0][0]])
                    except BrokenProcessPool:  # a worker died since we last looked
                        broken = True
                        break
                    running[future] = todo.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    position, attempt = running.pop(future)
                    try:
                        yield position, future.result()
                    except BrokenProcessPool:
                        broken = True
                        if attempt < ATTEMPTS:
                            todo.append((position, attempt + 1))
                        else:
                            died = f"its worker died {ATTEMPTS} times (out of memory, or killed)"
                            yield position, Lost(died)
            if broken:
                _check_started(started)
        finally:
            # workers hold nothing that a kill could lose: what is recorded is on disk
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _without_script() -> Iterator[None]:
    """Processes that are started within do not run the caller's script to import it.

    Workers have no use for it; it may lack `if __name__ == "__main__":`, or be standard input.
    """
    script = vars(sys.modules["__main__"])
    kept = {name: script[name] for name in ("__spec__", "__file__") if name in script}
    script["__spec__"] = None
    script.pop("__file__", None)
    try:
        yield
    finally:
        script.update(kept)


def _start_worker(queue: "SimpleQueue[Slot]", started: "SimpleQueue[str]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends us
    threading.Thread(target=_follow_parent, daemon=True).start()
    slot = queue.get()
    try:
        slot.take()
    except ConfigError as error:
        started.put(str(error))
        os._exit(1)  # what is raised here would be printed
    started.put("")


def _check_started(started: "SimpleQueue[str]") -> None:
    """A worker that cannot start is not tried again: no other would.

    Raises:
        ConfigError: what a worker said of it.
    """
    said = []
    while not started.empty():
        said.append(started.get())
    if reasons := [reason for reason in said if reason]:
        raise ConfigError(reasons[0])
    if not said:
        raise ConfigError(
            "worker processes end before they start: see what they print above; "
            "hydra.launcher.processes=0 computes in this one"
        )


def _follow_parent() -> None:
    """End with the parent, even where that was killed and could not say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
