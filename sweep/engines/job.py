"""What runs inside a SLURM job: a share of the packages for each of its tasks."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission

from sweep.engines.base import Worker
from sweep.engines.devices import share

if TYPE_CHECKING:
    from sweep.grid.plan import Package


class Element:
    """An element of a job array. What it has to do stays pickled until its device is chosen."""

    def __init__(self, packages: "Sequence[Package]", worker: Worker) -> None:
        self._work = pickle.dumps((tuple(packages), worker))

    def __call__(self) -> int:
        """Compute what is not recorded yet; returns the number of packages this task took on."""
        environment = JobEnvironment()
        tasks = int(os.environ.get("SLURM_NTASKS_PER_NODE", environment.num_tasks))
        cores = int(os.environ.get("SLURM_CPUS_PER_TASK", 0))
        given = len(os.sched_getaffinity(0))
        if given < cores:  # the launch reads this in the log, and says it
            sys.stderr.write(
                f"skysweep: a worker has {given} of the {cores} cores of "
                "hydra.launcher.cpus_per_task, and computes on these: look at srun_args\n"
            )
        share(environment.local_rank, tasks, bound=given <= cores).take()
        from sweep.store import Store
        from sweep.store.late import await_segments

        packages, worker = pickle.loads(self._work)
        mine = packages[environment.global_rank :: environment.num_tasks]
        if not mine:
            return 0
        await_segments(mine[0].store, frozenset(t.unit.segment for p in mine for t in p.tasks))
        # after a requeue, or beside another launch, some are done
        done = Store(mine[0].store).done_units()
        left = [p for p in mine if not all(task.unit in done for task in p.tasks)]
        for package in left:
            worker(package)
        return len(left)

    def checkpoint(self) -> DelayedSubmission:
        """What submitit puts back into the queue at the end of the time, or on preemption."""
        return DelayedSubmission(self)


class Aggregation:
    """The job after all others: what a launch that stays does at its end."""

    def __init__(self, store: str) -> None:
        self.store = store

    def __call__(self) -> None:
        """Seal the store, so that a copy of it says what is done, and write its summary."""
        command = [sys.executable, "-m", "sweep.cli.store"]
        subprocess.run([*command, "seal", self.store], check=True)
        said = subprocess.run([*command, "summary", self.store, "--json"], check=True, stdout=PIPE)
        Path(f"{self.store}.sweep", "summary.json").write_bytes(said.stdout)
