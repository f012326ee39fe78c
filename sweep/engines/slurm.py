"""SLURM through submitit: packages packed into few job arrays, watched through the store.

What is done is what the store has recorded. Job states only tell that a job has ended, so that
what it left undone goes into another one.
"""

import io
import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sweep.engines import queue, script, submission
from sweep.engines.base import ATTEMPTS, Detached, Engine, Item, Lost, Result, Say, Worker, unsaid
from sweep.engines.devices import accelerators, cores
from sweep.engines.following import Following
from sweep.engines.local import LocalEngine
from sweep.engines.settings import SlurmSettings
from sweep.engines.submission import Share
from sweep.engines.watch import Watch
from sweep.errors import ConfigError
from sweep.store.late import LATE_SECONDS

if TYPE_CHECKING:
    from sweep.grid import Outcome
    from sweep.grid.plan import Package

_LEAVING = 30.0
"""Seconds in which workers end that have nothing left to record."""


class SlurmEngine(Engine):
    """Job arrays, one worker a task; what a job leaves undone goes into another.

    Args:
        settings: what is asked of SLURM.
        late: seconds in which what a job has recorded may still become visible here.
    """

    name = "slurm"

    def __init__(self, settings: SlurmSettings, late: float = LATE_SECONDS) -> None:
        settings.check()
        if shutil.which("sbatch") is None:
            raise ConfigError(
                "hydra/launcher=slurm: there is no sbatch here; run it on a login node"
            )
        self.settings = settings
        self._late = late
        self._detached: Detached | None = None

    @property
    def detached(self) -> Detached | None:
        """See `Engine.detached`."""
        return self._detached

    def workers(self) -> int:
        """See `Engine.workers`."""
        s = self.settings
        return s.array_parallelism * s.nodes * s.tasks_per_node

    def started(self, packages: int) -> str:
        """See `Engine.started`."""
        jobs = min(packages, self.settings.array_parallelism)
        arrays = -(-jobs // queue.max_array_size())
        tasks = self.settings.nodes * self.settings.tasks_per_node
        return f"slurm, {jobs} jobs of {tasks} workers in {arrays} arrays"

    def check(self, packages: int) -> None:
        """See `Engine.check`: sbatch looks at the scripts, without a job."""
        jobs = min(packages, self.settings.array_parallelism, queue.max_array_size())
        scripts = [script.text(script.of_workers(Path("skysweep"), self.settings), jobs)]
        if self.settings.aggregate:
            scripts.append(script.text(script.of_last(Path("skysweep"), self.settings, ()), 1))
        for asked in scripts:
            if (why := queue.refusal(asked)) is not None:
                raise ConfigError(f"sbatch would refuse the jobs: {why}; nothing was made")

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> "Generator[tuple[int, Result | Lost]]":
        """See `Engine.map`: by processes here, with as many cores each as a worker's."""
        few = max(1, len(cores()) // (self.settings.cpus_per_task or 1))
        yield from LocalEngine("auto" if accelerators() else few).map(function, items)

    def left_behind(self, store: str) -> Iterator[str]:
        """See `Engine.left_behind`."""
        yield from submission.left_behind(store)
        self._tidy(store, ())

    def run(
        self, packages: "Sequence[Package]", worker: Worker, say: Say = unsaid
    ) -> "Iterator[list[Outcome]]":
        """See `Engine.run`; the packages must be of one store, through which they are watched.

        Units that jobs of another launch are to record are waited for, not submitted again.
        """
        if not packages:
            return
        watch, store = Watch(packages), packages[0].store
        found = submission.living(store, {t.unit for p in packages for t in p.tasks})
        theirs = {unit for share in found for unit in share.units}
        if news := watch.news():  # of jobs that have ended since the store was looked at
            yield news
        if theirs:
            there = ", ".join(_arrays(found))
            say(f"{len(theirs)} units are with jobs {there} in the queue: not submitted again")
        for attempt in range(1, ATTEMPTS + 1):
            todo = [p for p in watch.left() if not theirs.issuperset(t.unit for t in p.tasks)]
            own, ids = self._submit(todo, worker) if todo else ([], [])
            units = sum(len(p.tasks) for p in todo)
            if not self.settings.wait:
                self._detached = Detached(tuple(ids), units, tuple(_arrays(found)))
                return
            if own:
                again = f", attempt {attempt} of {ATTEMPTS}" if attempt > 1 else ""
                say(f"submitted {units} units in {len(own)} jobs: {', '.join(ids)}{again}")
            jobs = Following([*found, *own], watch, say, self.settings.poll_s)
            try:
                yield from self._follow(watch, jobs, last=attempt == ATTEMPTS)
            except (GeneratorExit, KeyboardInterrupt, ConfigError):
                queue.cancel(ids)
                self._tidy(store, {*ids, *(share.job for share in own)})
                raise
            for reason, out in jobs.left_out().items():
                yield watch.left_out(out, reason)
            if watch.left() and attempt == ATTEMPTS:
                yield watch.given_up(f"its job ended {ATTEMPTS} times ({jobs.causes()})")
            if not watch.left():
                self._leave(store, jobs)
                return
            found, theirs = [], set()

    def _follow(self, watch: Watch, jobs: Following, last: bool) -> "Iterator[list[Outcome]]":
        """Yield what is recorded, and what failed, until nothing is left or all jobs have ended.

        What jobs recorded may become visible later than their end. That is waited for where they
        came to their own end, and before anything is called failed. After a death there is no need:
        the next job sees for itself what is left.
        """
        then = "given up" if last else "they go into another job when the others have ended"
        running = True
        while running and watch.left():
            time.sleep(self.settings.poll_s)
            # jobs first: what one that has ended recorded is there by then
            running = jobs.look()
            if news := watch.news():
                yield news
            jobs.tell_ended(then)
        end = time.monotonic() + self._late
        while watch.left() and not jobs.left_out() and time.monotonic() < end:
            if not (last or jobs.ended_well()):
                return
            time.sleep(min(self.settings.poll_s, 1.0))
            if news := watch.news():
                yield news

    def _leave(self, store: str, jobs: Following) -> None:
        """Wait for workers to end, which have nothing left to do, and clear away what they left."""
        end = time.monotonic() + _LEAVING
        while jobs.look() and time.monotonic() < end:
            time.sleep(min(self.settings.poll_s, 1.0))
        self._tidy(store, jobs.over)

    def _tidy(self, store: str, over: Collection[str]) -> None:
        from sweep.store import Store

        if submission.submissions(store).exists():
            submission.tidy(store, Store(store).done_units(), over)

    def _submit(self, packages: "list[Package]", worker: Worker) -> tuple[list[Share], list[str]]:
        """Deal the packages to jobs; arrays no longer than SLURM takes. All are taken, or none.

        Returns:
            The jobs of workers, and the ids of all arrays, with that of the last job.

        Raises:
            ConfigError: SLURM refuses.
        """
        from sweep.engines.job import Aggregation, Element

        s, store = self.settings, packages[0].store
        count = min(len(packages), s.array_parallelism)
        dealt = [packages[i::count] for i in range(count)]
        folder = submission.submissions(store) / uuid4().hex[:8]
        size, tasks = queue.max_array_size(), s.nodes * s.tasks_per_node
        shares: list[Share] = []
        with submission.submitting(folder):
            for first in range(0, count, size):
                array = folder / str(first)
                array.mkdir()
                part = dealt[first : first + size]
                units = [[t.unit for p in mine for t in p.tasks] for mine in part]
                submission.note_units(array, tasks, units)
                jobs = _sbatch(script.of_workers(array, s), [Element(p, worker) for p in part])
                shares += [
                    Share(job, array, tasks, frozenset(mine))
                    for job, mine in zip(jobs, units, strict=True)
                ]
            ids = _arrays(shares)
            if s.aggregate:
                last = script.of_last(folder / "last", s, ids)
                ids += _sbatch(last, [Aggregation(store)])
            queue.release(ids)
        return shares, ids


def _sbatch(executor: Any, elements: list[Any]) -> list[str]:
    """Submit an array, held; returns the ids of its jobs.

    Raises:
        ConfigError: sbatch refuses.
    """
    try:
        with queue.outside_of_jobs(), redirect_stderr(io.StringIO()), executor.batch():
            jobs = [executor.submit(element) for element in elements]
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"sbatch refused: {reason}; nothing was submitted") from error
    return [job.job_id for job in jobs]


def _arrays(shares: Sequence[Share]) -> list[str]:
    return list(dict.fromkeys(queue.array_of(share.job) for share in shares))
