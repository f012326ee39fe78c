"""The queue of SLURM, through its own clients."""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import ConfigError

_RELEASES = 3
_FIELDS = {
    **{"JobArrayID": 40, "State": 20, "RestartCnt": 12, "PriorityLong": 20, "Reason": 80},
    "Command": 1000,
}
_OF_A_JOB = re.compile(
    r"SLURM|SRUN_|SBATCH_(CPU|MEM)_BIND|PMIX?_|SUBMITIT_"
    r"|(CUDA_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|ROCR_VISIBLE_DEVICES|ZE_AFFINITY_MASK)$"
)
_OF_THE_SITE = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")
_LIMITS = ("PartitionConfig", "PartitionTimeLimit", "PartitionNodeLimit")
"""Reasons for which sbatch takes a job that its partition does not allow."""


@dataclass(frozen=True)
class Queued:
    """A job in the queue, or an element of an array.

    Attributes:
        job: its id, `12` or `12_3`.
        state: PENDING, RUNNING, ...
        restarts: how often it was put back.
        held: whether it waits for its release.
        reason: why it is pending.
        script: what was submitted.
    """

    job: str
    state: str
    restarts: int
    held: bool
    reason: str
    script: Path


def look() -> list[Queued] | None:
    """This user's jobs; None where SLURM cannot be asked."""
    template = ",".join(f"{name}:{width}" for name, width in _FIELDS.items())
    said = _client("squeue", "-h", "--me", "-r", "-O", template)
    if said.returncode:
        return None
    found = []
    for line in said.stdout.splitlines():
        values, start = {}, 0
        for name, width in _FIELDS.items():
            values[name] = line[start : start + width].strip()
            start += width
        found.append(
            Queued(
                job=values["JobArrayID"],
                state=values["State"],
                restarts=int(values["RestartCnt"] or 0),
                held=values["State"] == "PENDING" and values["PriorityLong"] == "0",
                reason=values["Reason"],
                script=Path(values["Command"]),
            )
        )
    return found


def array_of(job: str) -> str:
    """The id of the array that a job is an element of, or its own."""
    return job.split("_")[0]


def release(arrays: Sequence[str]) -> None:
    """Let held jobs start.

    Raises:
        ConfigError: SLURM refuses.
    """
    said = None
    for _ in range(_RELEASES):  # the controller may be busy
        said = _client("scontrol", "release", ",".join(arrays))
        if said.returncode == 0:
            return
        time.sleep(1.0)
    reason = " ".join(said.stderr.split()) if said else ""
    raise ConfigError(f"scontrol release {','.join(arrays)} refused: {reason}")


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs, as far as SLURM can be asked to."""
    for job in jobs:
        with suppress(OSError):
            _client("scancel", job)


def refusal(script: str) -> str | None:
    """Why sbatch would refuse a script, in a line; None where it would take it.

    Jobs are submitted held, and of a held job SLURM does not look at what it asks for. A test
    counts nodes that are down as missing: where it fails, jobs that do nothing are
    submitted instead, and cancelled.
    """
    with outside_of_jobs():
        if _client("sbatch", "--test-only", input=script).returncode == 0:
            return None
        options = re.findall("^#SBATCH .*$", script, re.MULTILINE)
        idle = "\n".join(["#!/bin/bash", *options, "true", ""])
        nowhere = ("--output=/dev/null", "--error=/dev/null")
        said = _client("sbatch", "--parsable", *nowhere, input=idle)
        if said.returncode:
            return "; ".join(said.stderr.replace("sbatch: error: ", "").split("\n")).rstrip("; ")
        job = said.stdout.strip().split(";")[0]
        reason = _client("squeue", "-h", "-j", job, "-o", "%r").stdout.strip()
        cancel([job])
    if reason in _LIMITS:
        return f"more nodes, or a longer time, than the partition gives to a job ({reason})"
    return None


@contextmanager
def outside_of_jobs() -> Iterator[None]:
    """Without what the environment says of a job in which this process runs.

    sbatch hands its environment on, and srun reads it: of the memory of two jobs it takes none.
    """
    kept = dict(os.environ)
    if "SLURM_JOB_ID" in kept:
        for name in kept:
            if _OF_A_JOB.match(name) and name not in _OF_THE_SITE:
                del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


def max_array_size() -> int:
    """MaxArraySize of this cluster, which indices must stay below."""
    for line in _client("scontrol", "show", "config").stdout.splitlines():
        if line.startswith("MaxArraySize"):
            return max(int(line.split("=")[1]), 1)
    return 1001


def _client(*command: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
    return subprocess.run(command, capture_output=True, text=True, check=False, input=input)
