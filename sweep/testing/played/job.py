"""A job: a batch script in a session of its own, whose tasks `srun` starts."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sweep.testing.played.options import NODES, Submission

_SHORT = {"PENDING": "PD", "RUNNING": "R"}


@dataclass
class Job:
    """A job, or an element of an array.

    Attributes:
        number: its own id.
        array: id of its array, or its own.
        index: its number in the array, None outside of one.
        asked: what sbatch was asked.
        cwd, env: of sbatch.
        folder: where the script is kept as it was.
    """

    number: int
    array: int
    index: int | None
    asked: Submission
    cwd: str
    env: dict[str, str]
    folder: Path
    state: str = "PENDING"
    history: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    begin: float = 0.0
    started: float = 0.0
    restarts: int = 0
    warned: bool = False
    process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.held = self.asked.hold
        self.script = self.folder / f"{self.number}.sh"
        self.script.write_text(self.asked.text)

    @property
    def name(self) -> str:
        """Its id as users know it."""
        return str(self.array) if self.index is None else f"{self.array}_{self.index}"

    @property
    def running(self) -> bool:
        """Whether it has nodes."""
        return self.state == "RUNNING"

    @property
    def over(self) -> bool:
        """Whether it will not run again."""
        return self.state not in _SHORT

    def shown(self) -> dict[str, Any]:
        """By the letters of squeue's format."""
        return {
            "i": self.name,
            "F": self.array,
            "A": self.number,
            "t": _SHORT.get(self.state, "CG"),
            "T": self.state,
            "Q": 0 if self.held else 1000,
            "r": self._reason(),
            "N": ",".join(self.nodes),
            "o": self.asked.script or "(null)",
            "JobArrayID": self.name,
            "State": self.state,
            "RestartCnt": self.restarts,
            "PriorityLong": 0 if self.held else 1000,
            "Reason": self._reason(),
            "Command": self.asked.script or "(null)",
        }

    def _reason(self) -> str:
        if self.held:
            return "JobHeldUser"
        if self.running:
            return "None"
        if self.asked.nodes > len(NODES):
            return "PartitionConfig"
        return "BadConstraints" if self.asked.more_than_a_node else "Resources"

    def may_start(self, now: float, jobs: Sequence["Job"]) -> bool:
        """Whether only nodes are missing."""
        if self.state != "PENDING" or self.held or now < self.begin or self.asked.more_than_a_node:
            return False
        if any(not j.over for j in jobs if {j.name, str(j.array)} & set(self.asked.after)):
            return False
        beside = sum(j.running for j in jobs if j.array == self.array)
        return beside < self.asked.throttle

    def start(self, nodes: list[str], now: float) -> None:
        """Run the script."""
        self.state, self.nodes, self.started, self.warned = "RUNNING", nodes, now, False
        out = self._open(self.asked.output)
        err = self._open(self.asked.error) if self.asked.error else out
        self.process = subprocess.Popen(
            ["/bin/bash", self.script],
            cwd=self.cwd,
            env=self.env | self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        out.close()
        err.close()

    def look(self, now: float, minute: float) -> None:
        """See whether it has ended, or has to."""
        if self.process is None:
            return
        code = self.process.poll()
        if code is not None:
            self.end("FAILED" if code else "COMPLETED")
            return
        left = 60.0 * self.asked.minutes - (now - self.started) * 60.0 / minute
        if left <= 0:
            self.end("TIMEOUT")
            return
        if self.asked.warning and left <= self.asked.warning[1] and not self.warned:
            self.warned = True
            self.signal(self.asked.warning[0])
        if self.asked.memory and (used := self._memory()) > self.asked.memory:
            with self._open(self.asked.error or self.asked.output) as log:
                log.write(
                    f"slurmstepd: error: StepId={self.number}.0 exceeded memory limit "
                    f"({used} > {self.asked.memory}), being killed\n".encode()
                )
            self.end("FAILED")

    def signal(self, name: str) -> None:
        """Send a signal to the tasks, which are the children of srun."""
        for task in self._tasks():
            with suppress(psutil.NoSuchProcess):
                task.send_signal(getattr(signal, name))

    def end(self, state: str) -> None:
        """Leave the nodes for good."""
        self.kill()
        self.state = state

    def put_back(self, state: str, hold_back: float) -> None:
        """Leave the nodes and wait again, accounted as `state` until it is.

        Args:
            state: why.
            hold_back: seconds before it may start.
        """
        self.kill()
        self.history.append(state)
        self.state, self.nodes, self.begin = "PENDING", [], time.monotonic() + hold_back
        self.restarts += 1

    def kill(self) -> None:
        """End all its processes."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _tasks(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            steps = psutil.Process(self.process.pid).children()
            return [task for step in steps for task in step.children()]
        return []

    def _memory(self) -> int:
        used = 0
        for task in self._tasks():
            with suppress(psutil.NoSuchProcess):
                used += task.memory_info().rss
        return used

    def _open(self, pattern: str) -> Any:
        values = {"j": self.number, "A": self.array, "a": self.index, "t": 0}
        path = re.sub("%([jAat])", lambda found: str(values[found[1]]), pattern)
        return open(Path(self.cwd, path), "ab")

    def _variables(self) -> dict[str, str]:
        asked = self.asked
        values: dict[str, Any] = {
            "SLURM_JOB_ID": self.number,
            "SLURM_JOB_NUM_NODES": asked.nodes,
            "SLURM_JOB_NODELIST": ",".join(self.nodes),
            "SLURM_NTASKS": asked.nodes * asked.tasks,
            "SLURM_NTASKS_PER_NODE": asked.tasks if asked.tasks_given else None,
            "SLURM_CPUS_PER_TASK": asked.cores_a_task,
            "SLURM_MEM_PER_NODE": asked.memory // 2**20 or None,
            "SLURM_ARRAY_JOB_ID": None if self.index is None else self.array,
            "SLURM_ARRAY_TASK_ID": self.index,
            "SLURM_RESTART_COUNT": self.restarts or None,
        }
        return {name: str(value) for name, value in values.items() if value is not None}
