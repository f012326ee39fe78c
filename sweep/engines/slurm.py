"""SLURM through submitit: packages packed into few job arrays, watched through the store.

What is done is what the store has recorded. Job states only tell that a job has ended, so that
what it left undone goes into another one.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sweep.engines.base import ATTEMPTS, Engine, Worker
from sweep.engines.devices import accelerators, cores
from sweep.engines.local import LocalEngine
from sweep.errors import ConfigError

if TYPE_CHECKING:
    from sweep.grid.plan import Package, Task
    from sweep.worker import Outcome


@dataclass
class SlurmSettings:
    """What is asked of SLURM; names as in Hydra's submitit launcher.

    Attributes:
        partition, qos, account, constraint, exclude, gres: as of sbatch.
        nodes: of a job.
        tasks_per_node: workers a node; one a GPU, or a few on a node of cores.
        gpus_per_node: of a job.
        cpus_per_task: cores of a worker.
        mem_gb: memory of a node of the job.
        timeout_min: time limit of a job; at its end it is put back with what it has left.
        max_num_timeout: how often that is done.
        signal_delay_s: so long before the limit a job is told.
        array_parallelism: jobs at a time; packages are dealt to so many.
        setup: lines of shell before the worker, `module load ...` say.
        srun_args: more arguments of srun.
        additional_parameters: more of sbatch, {name: value}.
        aggregate: a last job, after all others, that seals the store and writes its summary.
        wait: stay and show progress; false prints the jobs and returns.
        poll_s: seconds between looks at the store.
    """

    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None
    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int | None = None
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    timeout_min: int = 60
    max_num_timeout: int = 20
    signal_delay_s: int = 120
    array_parallelism: int = 16
    setup: list[str] | None = None
    srun_args: list[str] | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    aggregate: bool = False
    wait: bool = True
    poll_s: float = 5.0


_POSITIVE = (
    "nodes",
    "tasks_per_node",
    "timeout_min",
    "signal_delay_s",
    "array_parallelism",
    "poll_s",
)
_OF_SLURM = ("partition", "qos", "account", "constraint", "exclude", "gres")
_LISTS = ("setup", "srun_args", "additional_parameters")


class SlurmEngine(Engine):
    """Job arrays, one worker a task; what a job leaves undone goes into another."""

    def __init__(self, settings: SlurmSettings) -> None:
        for name in _POSITIVE:
            if not (value := getattr(settings, name)) > 0:
                raise ConfigError(f"hydra.launcher.{name} = {value}: must be positive")
        if shutil.which("sbatch") is None:
            raise ConfigError(
                "hydra/launcher=slurm: there is no sbatch here; run it on a login node"
            )
        self.settings = settings
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
        arrays = -(-jobs // _max_array_size())
        tasks = self.settings.nodes * self.settings.tasks_per_node
        return f"slurm, {jobs} jobs of {tasks} workers in {arrays} arrays"

    def rehearsal(self) -> Engine:
        """See `Engine.rehearsal`: processes here, with as many cores each as a worker's."""
        if accelerators():
            return LocalEngine("auto")
        return LocalEngine(max(1, len(cores()) // (self.settings.cpus_per_task or 1)))

    def run(self, packages: "Sequence[Package]", worker: Worker) -> "Iterator[list[Outcome]]":
        """See `Engine.run`; the packages must be of one store, through which they are watched."""
        if not packages:
            return
        watch = _Watch(packages)
        for attempt in range(1, ATTEMPTS + 1):
            jobs = self._submit(watch.left(), worker)
            if not self.settings.wait:
                self._detached = tuple(_ids(jobs))
                return
            try:
                yield from self._follow(watch, jobs)
            except (GeneratorExit, KeyboardInterrupt):
                _cancel(jobs)
                raise
            if not watch.left():
                return
            if attempt == ATTEMPTS:
                states = sorted({str(job.state) for job in jobs})
                yield watch.given_up(f"its job ended {ATTEMPTS} times ({', '.join(states)})")

    def _follow(self, watch: "_Watch", jobs: list[Any]) -> "Iterator[list[Outcome]]":
        """Yield what is recorded, and what failed, until nothing is left or all jobs have ended."""
        running = True
        while running and watch.left():
            time.sleep(self.settings.poll_s)
            # jobs first: what one that has ended recorded is there by then
            running = not all(_ended(job) for job in jobs)
            if news := watch.news():
                yield news

    def _submit(self, packages: "list[Package]", worker: Worker) -> list[Any]:
        """Deal the packages to jobs; arrays no longer than SLURM takes."""
        from sweep.engines.job import Aggregation, Element

        count = min(len(packages), self.settings.array_parallelism)
        elements = [Element(packages[i::count], worker) for i in range(count)]
        executor = self._executor(Path(packages[0].store))
        size = _max_array_size()
        jobs: list[Any] = []
        for first in range(0, count, size):
            try:
                with executor.batch():
                    batch = [executor.submit(e) for e in elements[first : first + size]]
            except Exception as error:
                there = ", ".join(_ids(jobs)) or "none"
                reason = " ".join(str(error).split())
                raise ConfigError(
                    f"sbatch refused: {reason}; jobs submitted before: {there}"
                ) from error
            jobs += batch
        if self.settings.aggregate:
            after = {"dependency": f"afterany:{':'.join(_ids(jobs))}"}
            executor.update_parameters(
                slurm_additional_parameters=self.settings.additional_parameters | after,
                nodes=1,
                tasks_per_node=1,
            )
            jobs.append(executor.submit(Aggregation(packages[0].store)))
        return jobs

    def _executor(self, store: Path) -> Any:
        import submitit

        s = self.settings
        folder = store.with_name(f"{store.name}.sweep") / "slurm" / uuid4().hex[:8]
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)  # its pickles are run: nobody else may write them
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
            **{f"slurm_{name}": getattr(s, name) for name in _OF_SLURM},
            **{f"slurm_{name}": getattr(s, name) or None for name in _LISTS},
        }
        executor.update_parameters(**{k: v for k, v in given.items() if v is not None})
        return executor


class _Watch:
    """Which units are still to come, seen through the store."""

    def __init__(self, packages: "Sequence[Package]") -> None:
        self._packages = packages
        self._store = packages[0].store
        self._todo: dict[Any, Task] = {t.unit: t for p in packages for t in p.tasks}
        self._known = set(self._read().errors())

    def _read(self) -> Any:
        from sweep.store import Store

        return Store(self._store)

    def left(self) -> "list[Package]":
        """Packages of which a unit is neither recorded nor failed."""
        return [p for p in self._packages if any(t.unit in self._todo for t in p.tasks)]

    def news(self) -> "list[Outcome]":
        """Units that have been recorded, or have failed, since the last look."""
        from sweep.worker import Outcome

        store = self._read()
        ended = [
            Outcome(self._todo.pop(unit), records[0].statuses)
            for unit, records in store.records.items()
            if unit in self._todo
        ]
        failures = set(store.errors())
        for failure in failures - self._known:
            if failure.final and failure.unit in self._todo:
                ended.append(Outcome(self._todo.pop(failure.unit), {}, failure.message))
        self._known = failures
        return ended

    def given_up(self, reason: str) -> "list[Outcome]":
        """All that is left, as failed."""
        from sweep.worker import Outcome

        left = [Outcome(task, {}, reason, died=True) for task in self._todo.values()]
        self._todo.clear()
        return left


def _ended(job: Any) -> bool:
    """Whether a job will not run again. SLURM calls a preempted one so that it may requeue."""
    if job.done():
        return True
    return job.state == "PREEMPTED" and not _queued(job.job_id)


def _queued(job_id: str) -> bool:
    said = subprocess.run(
        ["squeue", "-h", "-j", job_id], capture_output=True, text=True, check=False
    )
    return bool(said.stdout.strip())


def _cancel(jobs: list[Any]) -> None:
    for array in _ids(jobs):
        with suppress(OSError):
            subprocess.run(["scancel", array], check=False, capture_output=True)


def _ids(jobs: list[Any]) -> list[str]:
    """Ids of the arrays, each once."""
    return list(dict.fromkeys(job.job_id.split("_")[0] for job in jobs))


def _max_array_size() -> int:
    """MaxArraySize of this cluster, which indices must stay below."""
    said = subprocess.run(
        ["scontrol", "show", "config"], capture_output=True, text=True, check=False
    ).stdout
    for line in said.splitlines():
        if line.startswith("MaxArraySize"):
            return max(int(line.split("=")[1]), 1)
    return 1001
