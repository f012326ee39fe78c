"""The queue of SLURM, through its own clients; and jobs that wait there until they may start.

sbatch is answered before submitit has put what a job is to do where the job looks for it. So jobs
are submitted held, and released when all is in place. A launch that is killed in between leaves
jobs that never start.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sweep.errors import ConfigError, StoreError
from sweep.store.claim import claimed

_CLAIM = "submitting.claim"
_RELEASES = 3
_DOING = "is submitting jobs"
_SAID = re.compile(r"slurmstepd\S*: error: (?!\*\*\*)(.*)")
"""Say that memory was exceeded: without cgroups the state of such a job is only FAILED."""


def submissions(store: Path) -> Path:
    """The folder that holds a folder for each submission of jobs that fill `store`."""
    return store.with_name(f"{store.name}.sweep") / "slurm"


@contextmanager
def submitting(folder: Path) -> Iterator[None]:
    """While jobs are submitted from `folder`; those still held if the body fails are cancelled."""
    with claimed(folder / _CLAIM, _DOING):
        try:
            yield
        except BaseException:
            cancel(held(folder))
            raise


def release(jobs: Sequence[str]) -> None:
    """Let held jobs start.

    Raises:
        ConfigError: SLURM refuses.
    """
    said = None
    for _ in range(_RELEASES):  # the controller may be busy
        said = _client("scontrol", "release", ",".join(jobs))
        if said.returncode == 0:
            return
        time.sleep(1.0)
    reason = " ".join(said.stderr.split()) if said else ""
    raise ConfigError(f"scontrol release {','.join(jobs)} refused: {reason}")


def held(folder: Path) -> list[str]:
    """Ids of this user's jobs that were submitted from `folder` and wait for their release."""
    said = _client("squeue", "-h", "--me", "-t", "PD", "-o", "%F %Q %o")
    fields = [line.split(maxsplit=2) for line in said.stdout.splitlines()]
    found = [
        job
        for job, priority, *script in fields
        if priority == "0" and script and Path(script[0]).is_relative_to(folder)
    ]
    return list(dict.fromkeys(found))


def left_behind(store: Path) -> Iterator[str]:
    """Cancel held jobs of launches into `store` that died over submitting them; a line for each."""
    for claim in sorted(submissions(store).glob(f"*/{_CLAIM}")):
        jobs = held(claim.parent)
        names = " ".join(jobs)
        try:
            with claimed(claim, _DOING):
                cancel(jobs)
        except StoreError as error:
            if jobs:
                yield f"jobs {names} are held by another launch: {error}; then: scancel {names}"
        else:
            if jobs:
                yield f"jobs {names} cancelled: their launch died before it let them start"


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs, as far as SLURM can be asked to."""
    for job in jobs:
        with suppress(OSError):
            _client("scancel", job)


def ids(jobs: Sequence[Any]) -> list[str]:
    """Ids of the arrays of submitit's jobs, each once."""
    return list(dict.fromkeys(job.job_id.split("_")[0] for job in jobs))


def ended(job: Any) -> bool:
    """Whether a job will not run again. SLURM calls a preempted one so that it may requeue."""
    if job.done():
        return True
    return job.state == "PREEMPTED" and not _client("squeue", "-h", "-j", job.job_id).stdout.strip()


def ended_well(job: Any) -> bool:
    """Whether a job that has ended came to its own end, and so did all that it was given."""
    return job.state == "COMPLETED" or job.paths.result_pickle.exists()


def cause(job: Any) -> str:
    """The state of a job that has ended, and what SLURM itself wrote into its log about that."""
    with suppress(OSError):
        for line in job.paths.stderr.read_text(errors="replace").splitlines():
            said = _SAID.match(line)
            if said:
                return f"{job.state}: {said[1]}"
    return str(job.state)


def max_array_size() -> int:
    """MaxArraySize of this cluster, which indices must stay below."""
    for line in _client("scontrol", "show", "config").stdout.splitlines():
        if line.startswith("MaxArraySize"):
            return max(int(line.split("=")[1]), 1)
    return 1001


def _client(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
