"""Jobs that a launch waits for: what becomes of them is seen, and said in a line each time."""

import pickle
import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any

from sweep.engines import queue
from sweep.engines.base import Say
from sweep.engines.queue import Queued
from sweep.engines.submission import Share
from sweep.engines.watch import Watch
from sweep.errors import ConfigError

_NEVER = "BadConstraints"
"""With this reason SLURM has given a job up: there are no such nodes."""

_LONGEST_PAUSE = 60.0
"""Seconds between looks at the queue, at most; a tenth of the time waited until then."""

_SAID = (
    re.compile(r"slurmstepd\S*: error: (?!\*\*\*)(.*)"),  # memory, where there are no cgroups
    re.compile(r"srun: (?:error|fatal): (?!.*: tasks? [\d,-]+: )(.*)"),
    re.compile(r"(?:sweep\.errors\.)?(\w*Error: .*)"),
    re.compile(r"srun: (?:error|fatal): (.*)"),
)
"""Lines of a log that say why a job ended, the most telling first."""

_OF_WORKER = re.compile(r"skysweep: (.*)")
_NAMED = 4


class Following:
    """Jobs of one or several arrays, until they have ended.

    Args:
        shares: what each is to do.
        watch: which of that is still to come.
        say: called with each line.
        poll_s: seconds between looks, at least.
    """

    def __init__(self, shares: Sequence[Share], watch: Watch, say: Say, poll_s: float) -> None:
        from submitit import SlurmJob

        self._shares = {share.job: share for share in shares}
        self._jobs: dict[str, Any] = {
            s.job: SlurmJob(s.folder, s.job, range(s.tasks)) for s in shares
        }
        self._watch, self._say, self._poll = watch, say, poll_s
        self._alive = set(self._jobs)
        self._last_ended: set[str] = set()
        self._untold: set[str] = set()
        self._restarts: dict[str, int] = {}
        self._said: set[str] = set()
        self._began = self._looked = time.monotonic()

    @property
    def over(self) -> set[str]:
        """Ids of the jobs that have ended."""
        return set(self._jobs) - self._alive

    def look(self) -> bool:
        """Say what is new in the queue; returns whether a job may still record something.

        Raises:
            ConfigError: a job waits for what SLURM will never give it.
        """
        queued = self._queue()
        if queued is not None:
            self._tell_waiting(queued.values())
            self._tell_put_back(queued.values())
            for job in [j.job for j in queued.values() if j.state == "RUNNING"][:1]:
                self._tell_of_workers(job)  # of one: what is wrong with workers is so with all
            if gone := self._alive.difference(queued):
                self._jobs[next(iter(gone))].get_info(mode="force")  # of all; else minutes later
        self._last_ended = self._ended(queued)
        self._alive -= self._last_ended
        self._untold |= self._last_ended
        return bool(self._alive)

    def tell_ended(self, then: str) -> None:
        """Say which jobs have ended and left something, and why.

        Args:
            then: what becomes of units whose job died.
        """
        alike: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for job in sorted(self._untold):
            self._tell_of_workers(job)
            if self._left(job) and not self._ended_well(job):
                alike[self.cause(job), self._cancelled(job)].append(job)
        self._untold.clear()
        for (cause, cancelled), jobs in alike.items():
            count = self._watch.count(u for job in jobs for u in self._shares[job].units)
            what = "left out" if cancelled else then
            self._say(f"{_named(jobs)} ended ({cause}), {count} units unfinished: {what}")

    def left_out(self) -> dict[str, list[Any]]:
        """Units that are not to be tried again, by the reason: somebody cancelled their jobs.

        Where the last jobs to end were all cancelled, that is meant for the launch.
        """
        found: dict[str, list[Any]] = {}
        for job, share in self._shares.items():
            if job not in self._alive and self._cancelled(job) and self._left(job):
                reason = f"job {queue.array_of(job)} was cancelled ({self._jobs[job].state})"
                found.setdefault(reason, []).extend(share.units)
        if found and not self._alive and all(map(self._cancelled, self._last_ended)):
            for job, share in self._shares.items():
                if not self._cancelled(job) and self._left(job):
                    reason = f"its job ended ({self.cause(job)}), and all others were cancelled"
                    found.setdefault(reason, []).extend(share.units)
        return found

    def ended_well(self) -> bool:
        """Whether all jobs came to their own end, but for those that were cancelled."""
        return all(self._ended_well(job) or self._cancelled(job) for job in self._jobs)

    def causes(self) -> str:
        """Why jobs ended that left something, each reason once."""
        return ", ".join(dict.fromkeys(self.cause(job) for job in self._jobs if self._left(job)))

    def cause(self, job: str) -> str:
        """The state of a job that has ended, and what its log says about that."""
        for pattern in _SAID:
            for line in self._lines(job, pattern):
                return f"{self._jobs[job].state}: {line}"
        return str(self._jobs[job].state)

    def _queue(self, pause: float | None = None) -> dict[str, Queued] | None:
        """Our jobs in the queue, looked at now and then; None where that is not now."""
        now = time.monotonic()
        if pause is None:
            pause = min(max(self._poll, 0.1 * (now - self._began)), _LONGEST_PAUSE)
        if now - self._looked < pause:
            return None
        self._looked = now
        jobs = queue.look()
        return None if jobs is None else {job.job: job for job in jobs if job.job in self._jobs}

    def _tell_waiting(self, queued: Iterable[Queued]) -> None:
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        for job in queued:
            if job.state == "PENDING" and job.reason not in ("", "None"):
                reasons[job.reason].append(job.job)
        for reason, jobs in reasons.items():
            if reason == _NEVER:
                raise ConfigError(
                    f"{_named(jobs)} can never start, SLURM says {reason}: ask for less by "
                    "hydra.launcher (nodes, tasks_per_node, cpus_per_task, gpus_per_node, mem_gb)"
                )
            self._once(f"{_named(jobs)} waiting: {reason}", reason.split(",")[0])

    def _tell_put_back(self, queued: Iterable[Queued]) -> None:
        for job in queued:
            before = self._restarts.get(job.job, 0)
            self._restarts[job.job] = job.restarts
            if job.restarts > before:
                self._say(
                    f"job {job.job} was put back into the queue and goes on with its "
                    f"{self._watch.count(self._shares[job.job].units)} unfinished units"
                )

    def _tell_of_workers(self, job: str) -> None:
        for line in self._lines(job, _OF_WORKER):
            self._once(f"job {job}: {line}", line)

    def _once(self, line: str, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(line)

    def _ended(self, queued: Collection[str] | None) -> set[str]:
        """Jobs that will not run again.

        SLURM accounts one that it puts back as FAILED or PREEMPTED for a while: what has no result
        has ended when it is not in the queue either.
        """
        done = {job for job in self._alive if self._jobs[job].done()}
        done |= {job for job in self._alive if self._jobs[job].state == "PREEMPTED"}
        unsure = {job for job in done if not self._ended_well(job)}
        if unsure and queued is None:
            queued = self._queue(pause=0.0)
        back = unsure if queued is None else unsure.intersection(queued)
        if back:
            self._jobs[next(iter(back))].watcher.clear()  # or it would not ask for them again
        return done - back

    def _cancelled(self, job: str) -> bool:
        """Whether somebody did it; SLURM gives no name where a controller lost the job."""
        return self._jobs[job].state.startswith("CANCELLED by ")

    def _ended_well(self, job: str) -> bool:
        of_tasks = [self._jobs[job].task(number) for number in range(self._shares[job].tasks)]
        return self._jobs[job].state == "COMPLETED" or all(map(_succeeded, of_tasks))

    def _left(self, job: str) -> int:
        return self._watch.count(self._shares[job].units)

    def _lines(self, job: str, pattern: re.Pattern[str]) -> Iterable[str]:
        for number in range(self._shares[job].tasks):
            log = self._jobs[job].task(number).paths.stderr
            with suppress(OSError):
                for line in log.read_text(errors="replace").splitlines():
                    if found := pattern.match(line):
                        yield found[1]


def _succeeded(task: Any) -> bool:
    """Whether what a task returned is there, and is no error."""
    try:
        return pickle.loads(task.paths.result_pickle.read_bytes())[0] == "success"
    except (OSError, EOFError):
        return False


def _named(jobs: Sequence[str]) -> str:
    if len(jobs) == 1:
        return f"job {jobs[0]}"
    more = f", ... ({len(jobs)})" if len(jobs) > _NAMED else ""
    return f"jobs {', '.join(jobs[:_NAMED])}{more}"
