"""The scheduler, and what it answers to clients."""

import itertools
import json
import os
import shlex
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sweep.testing.played import options
from sweep.testing.played.job import Job
from sweep.testing.played.options import CORES, NODES, Refused, Submission, in_columns, listed

CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sacct", "sinfo")
PARTITIONS = {"debug": (1, "REQUEUE"), "spare": (1, "CANCEL"), "urgent": (10, "REQUEUE")}
"""Priority, and what becomes of a job that gives way, as in `sweep.testing.cluster`."""

HOLD_BACK = 120.0
"""Seconds before a job that was put back may start again."""

TICK = 0.05
"""Seconds between looks at the jobs."""

_ids = itertools.count(1_000_001)
"""None is given twice in a process: submitit remembers what it has asked about a job."""


@dataclass
class PlayedSlurm:
    """As a context it answers; `environment` is what clients need to be found.

    Attributes:
        folder: everything it writes; short, since a socket lives there.
        max_array: MaxArraySize.
        minute: seconds of a minute of time limits, and of what they count in seconds.
    """

    folder: Path
    max_array: int = 1001
    minute: float = 60.0
    jobs: list[Job] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._ending = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """Additions to the environment of sbatch, srun, sacct, ..."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def __enter__(self) -> Self:
        where = self.folder / "socket"
        (self.folder / "bin").mkdir(parents=True)
        for name in CLIENTS:
            client = self.folder / "bin" / name
            program = str(Path(__file__).with_name("client.py"))
            words = shlex.join([sys.executable, "-SE", program, str(where), name])
            client.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            client.chmod(0o755)
        self._server = _Server(str(where), _Request)
        self._server.slurm = self
        for work in (self._server.serve_forever, self._schedule):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for job in self.jobs:
                job.kill()

    def stop(self, name: str) -> None:
        """Take away `slurmctld`, `slurmdbd` (which sacct asks), or `slurmd-n0` and its jobs."""
        with self._lock:
            self.down.add(name)
            for job in self.jobs:
                if job.running and name.removeprefix("slurmd-") in job.nodes:
                    job.put_back("NODE_FAIL", HOLD_BACK)

    def restart(self, name: str) -> None:
        """Give back what was taken away."""
        self.down.discard(name)

    def command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a client in the folder."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(
        self, name: str, arguments: list[str], cwd: str, env: dict[str, str], read: str
    ) -> dict:
        """Exit status, output and errors of a client."""
        daemon = "slurmdbd" if name == "sacct" else "slurmctld"
        with self._lock:
            try:
                if daemon in self.down:
                    raise Refused(f"Unable to contact {daemon} (connect failure)")
                if name == "sbatch":
                    out = self._sbatch(options.submission(arguments, cwd, read), cwd, env)
                else:
                    out = getattr(self, f"_{name}")(arguments)
            except Refused as refusal:
                return {"code": 1, "out": "", "err": f"{name}: error: {refusal}\n"}
        return {"code": 0, "out": out, "err": ""}

    def _sbatch(self, asked: Submission, cwd: str, env: dict[str, str]) -> str:
        missing = asked.test_only and len(self._up()) < asked.nodes  # also those that are down
        for wrong, what in (
            (asked.partition not in PARTITIONS, "Invalid partition name specified"),
            # of a job that is held SLURM looks at this later
            (
                not asked.hold and (asked.more_than_a_node or missing),
                "Requested node configuration is not available",
            ),
            (max(asked.array, default=0) >= self.max_array, "Invalid job array specification"),
        ):
            if wrong and asked.test_only:
                raise Refused(f"allocation failure: {what}")
            if wrong:
                raise Refused(f"Batch job submission failed: {what}")
        if asked.test_only:
            return ""
        array = next(_ids)
        for index in asked.array or (None,):
            number = array if index is None else next(_ids)
            self.jobs.append(Job(number, array, index, asked, cwd, env, self.folder))
        return f"{array}\n" if asked.parsable else f"Submitted batch job {array}\n"

    def _squeue(self, arguments: list[str]) -> str:
        asked = options.queue(arguments)
        found = [
            job
            for job in (self._named(asked.j) if asked.j else self.jobs)
            if not job.over
            and (not asked.t or job.state in asked.t)
            and asked.p in (None, job.asked.partition)
        ]
        if asked.O:
            return in_columns(asked.O, [job.shown() for job in found])
        lines = [(job.name, job) for job in found] if asked.r else _together(found)
        return listed(asked.o, [job.shown() | {"i": name} for name, job in lines])

    def _sacct(self, arguments: list[str]) -> str:
        asked = options.accounting(arguments)
        rows = [] if asked.n else [dict(zip(asked.o, asked.o, strict=True))]
        chosen = {word for words in asked.j for word in words.split(",")}
        found = [j for j in self.jobs if not chosen or chosen & {j.name, str(j.array)}]
        for name, job in _together(found):
            row = {"JobID": name, "NodeList": ",".join(job.nodes) or "None assigned"}
            rows += [row | {"State": state} for state in (job.history if asked.D else ())]
            rows.append(row | {"State": job.state})
            if job.nodes and not asked.X:
                rows.append(row | {"JobID": f"{name}.batch", "State": job.state})
        between = "|" if asked.parsable2 else " "
        return "".join(between.join(row[key] for key in asked.o) + "\n" for row in rows)

    def _scancel(self, arguments: list[str]) -> str:
        asked = options.cancellation(arguments)
        for job in self.jobs if asked.u else self._named(*asked.jobs):
            if asked.signal:
                job.signal(asked.signal)
            elif not job.over:
                job.end("CANCELLED by 0")
        return ""

    def _scontrol(self, arguments: list[str]) -> str:
        match arguments:
            case ["show", "config"]:
                return f"Configuration data\nMaxArraySize            = {self.max_array}\n"
            case ["release", jobs]:
                for job in self._named(jobs):
                    job.held = False
            case ["requeue", jobs]:
                for job in self._named(jobs):
                    if job.over:
                        raise Refused(f"Job/step already completing or completed for job {jobs}")
                    job.put_back("REQUEUED", HOLD_BACK)
            case ["update", what, "StartTime=now"]:
                for job in self._named(what.removeprefix("JobId=")):
                    job.begin = 0.0
            case ["update", what, "State=DOWN", _]:
                self.stop(f"slurmd-{what.removeprefix('NodeName=')}")
            case _:
                raise Refused(f"invalid keyword: {' '.join(arguments)}")
        return ""

    def _sinfo(self, arguments: list[str]) -> str:
        asked = options.nodes(arguments)
        states = [self._state(node) for node in NODES]
        return listed(asked.o, [{"T": s} for s in (states if asked.N else dict.fromkeys(states))])

    def _named(self, *names: str) -> list[Job]:
        found: dict[int, Job] = {}
        for name in (each for several in names for each in several.split(",")):
            mine = [job for job in self.jobs if name in (job.name, str(job.array))]
            if not mine:
                raise Refused(f"Invalid job id specified: {name}")
            found |= {job.number: job for job in mine}
        return list(found.values())

    def _up(self) -> list[str]:
        return [node for node in NODES if f"slurmd-{node}" not in self.down]

    def _state(self, node: str) -> str:
        if f"slurmd-{node}" in self.down:
            return "down"
        return "mixed" if any(job.running and node in job.nodes for job in self.jobs) else "idle"

    def _schedule(self) -> None:
        while not self._ending.wait(TICK):
            with self._lock:
                if "slurmctld" in self.down:
                    continue
                now = time.monotonic()
                for job in self.jobs:
                    job.look(now, self.minute)
                for job in sorted(self.jobs, key=lambda job: -_urgency(job)):
                    if job.may_start(now, self.jobs) and (nodes := self._place(job)):
                        job.start(nodes, now)

    def _place(self, job: Job) -> list[str] | None:
        """Nodes for a job; what is less urgent gives way where there are none else."""
        running = [other for other in self.jobs if other.running]
        if nodes := self._free(job, running):
            return nodes
        nodes = self._free(job, [other for other in running if _urgency(other) >= _urgency(job)])
        for other in running:
            if nodes and _urgency(other) < _urgency(job) and set(other.nodes) & set(nodes):
                if PARTITIONS[other.asked.partition][1] == "REQUEUE":
                    other.put_back("PREEMPTED", HOLD_BACK)
                else:
                    other.end("PREEMPTED")
        return nodes

    def _free(self, job: Job, beside: Sequence[Job]) -> list[str] | None:
        free = [
            node
            for node in self._up()
            if sum(_cores(each) for each in [job, *(j for j in beside if node in j.nodes)]) <= CORES
        ]
        return free[: job.asked.nodes] if len(free) >= job.asked.nodes else None


def _urgency(job: Job) -> int:
    return PARTITIONS[job.asked.partition][0]


def _cores(job: Job) -> int:
    return CORES if job.asked.exclusive else job.asked.cores


def _together(jobs: Sequence[Job]) -> list[tuple[str, Job]]:
    """A line for each job, with its name; elements of an array that never ran share one."""
    waiting: dict[int, list[Job]] = {}
    lines: list[tuple[str, Job]] = []
    for job in jobs:
        if job.index is None or job.state != "PENDING" or job.restarts:
            lines.append((job.name, job))
        else:
            waiting.setdefault(job.array, []).append(job)
    for array, elements in waiting.items():
        indices = ",".join(str(job.index) for job in elements)
        lines.append((f"{array}_[{indices}%{elements[0].asked.throttle}]", elements[0]))
    return lines


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    slurm: PlayedSlurm


class _Request(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        """Answer one client."""
        said = self.server.slurm.answer(**json.loads(self.rfile.readline()))
        with suppress(BrokenPipeError):  # of a job that asked to be requeued, and is
            self.wfile.write(json.dumps(said).encode())
