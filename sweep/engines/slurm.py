"""SLURM through submitit: packages packed into few job arrays, watched through the store.

What is done is what the store has recorded. Job states only tell that a job has ended, so that
what it left undone goes into another one.
"""

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sweep.engines import queue
from sweep.engines.base import ATTEMPTS, Engine, Item, Lost, Result, Worker
from sweep.engines.devices import accelerators, cores
from sweep.engines.local import LocalEngine
from sweep.engines.settings import SlurmSettings
from sweep.engines.watch import Watch
from sweep.errors import ConfigError
from sweep.store.late import LATE_SECONDS

if TYPE_CHECKING:
    from sweep.grid import Outcome
    from sweep.grid.plan import Package

_OF_SLURM = ("partition", "qos", "account", "constraint", "exclude", "gres")


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
        self._detached: tuple[str, ...] = ()

    @property
    def detached(self) -> tuple[str, ...]:
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

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> "Generator[tuple[int, Result | Lost]]":
        """See `Engine.map`: by processes here, with as many cores each as a worker's."""
        few = max(1, len(cores()) // (self.settings.cpus_per_task or 1))
        yield from LocalEngine("auto" if accelerators() else few).map(function, items)

    def left_behind(self, store: str) -> Iterator[str]:
        """See `Engine.left_behind`."""
        yield from queue.left_behind(Path(store))

    def run(self, packages: "Sequence[Package]", worker: Worker) -> "Iterator[list[Outcome]]":
        """See `Engine.run`; the packages must be of one store, through which they are watched."""
        if not packages:
            return
        watch = Watch(packages)
        for attempt in range(1, ATTEMPTS + 1):
            jobs = self._submit(watch.left(), worker)
            if not self.settings.wait:
                self._detached = tuple(queue.ids(jobs))
                return
            try:
                yield from self._follow(watch, jobs, last=attempt == ATTEMPTS)
            except (GeneratorExit, KeyboardInterrupt):
                queue.cancel(queue.ids(jobs))
                raise
            if not watch.left():
                return
            if attempt == ATTEMPTS:
                why = ", ".join(dict.fromkeys(queue.cause(job) for job in jobs))
                yield watch.given_up(f"its job ended {ATTEMPTS} times ({why})")

    def _follow(self, watch: Watch, jobs: list[Any], last: bool) -> "Iterator[list[Outcome]]":
        """Yield what is recorded, and what failed, until nothing is left or all jobs have ended.

        What jobs recorded may become visible later than their end. That is waited for where they
        came to their own end, and before anything is called failed. After a death there is no need:
        the next job sees for itself what is left.
        """
        running = True
        while running and watch.left():
            time.sleep(self.settings.poll_s)
            # jobs first: what one that has ended recorded is there by then
            running = not all(queue.ended(job) for job in jobs)
            if news := watch.news():
                yield news
        end = time.monotonic() + self._late
        while watch.left() and time.monotonic() < end:
            if not (last or all(queue.ended_well(job) for job in jobs)):
                return
            time.sleep(min(self.settings.poll_s, 1.0))
            if news := watch.news():
                yield news

    def _submit(self, packages: "list[Package]", worker: Worker) -> list[Any]:
        """Deal the packages to jobs; arrays no longer than SLURM takes."""
        from sweep.engines.job import Aggregation, Element

        count = min(len(packages), self.settings.array_parallelism)
        elements = [Element(packages[i::count], worker) for i in range(count)]
        folder = queue.submissions(Path(packages[0].store)) / uuid4().hex[:8]
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)  # its pickles are run: nobody else may write them
        executor = self._executor(folder)
        size = queue.max_array_size()
        jobs: list[Any] = []
        with queue.submitting(folder):
            for first in range(0, count, size):
                try:
                    with executor.batch():
                        batch = [executor.submit(e) for e in elements[first : first + size]]
                except Exception as error:
                    there = ", ".join(queue.ids(jobs)) or "none"
                    reason = " ".join(str(error).split())
                    raise ConfigError(
                        f"sbatch refused: {reason}; jobs submitted before: {there}"
                    ) from error
                queue.release(queue.ids(batch))
                jobs += batch
            if self.settings.aggregate:
                after = {"dependency": f"afterany:{':'.join(queue.ids(jobs))}"}
                executor.update_parameters(
                    slurm_additional_parameters=self._more() | after,
                    nodes=1,
                    tasks_per_node=1,
                )
                last = executor.submit(Aggregation(packages[0].store))
                queue.release(queue.ids([last]))
                jobs.append(last)
        return jobs

    def _more(self) -> dict[str, Any]:
        return self.settings.additional_parameters | {"hold": True}

    def _executor(self, folder: Path) -> Any:
        import submitit

        s = self.settings
        executor = submitit.AutoExecutor(
            folder, cluster="slurm", slurm_max_num_timeout=s.max_num_timeout
        )
        given = {
            "name": "skysweep",
            "timeout_min": s.timeout_min,
            "nodes": s.nodes,
            "tasks_per_node": s.tasks_per_node,
            "gpus_per_node": s.gpus_per_node,
            "cpus_per_task": s.cpus_per_task,
            "mem_gb": s.mem_gb,
            "slurm_signal_delay_s": s.signal_delay_s,
            "slurm_array_parallelism": s.array_parallelism,
            "slurm_setup": s.setup or None,
            "slurm_srun_args": s.srun_args or None,
            "slurm_additional_parameters": self._more(),
            **{f"slurm_{name}": getattr(s, name) for name in _OF_SLURM},
        }
        executor.update_parameters(**{k: v for k, v in given.items() if v is not None})
        return executor
