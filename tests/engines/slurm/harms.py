"""What is done to jobs, nodes and daemons of a SLURM, played or real, while an engine waits."""

import json
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sweep.engines import ATTEMPTS, queue
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.store import Store
from sweep.testing.cluster import Cluster
from sweep.testing.played import PlayedSlurm
from tests.engines.slurm.units import Background, Record, die, published, swell
from tests.waiting import until

Slurm = Cluster | PlayedSlurm


def settings(slurm: Slurm, **changes: object) -> SlurmSettings:
    given = {"poll_s": 0.5 * pace(slurm), "array_parallelism": 2}
    return SlurmSettings(**given | changes)  # pyright: ignore[reportArgumentType]


def pace(slurm: Slurm) -> float:
    """Played jobs need not be slow: they start at once."""
    return 1.0 if isinstance(slurm, Cluster) else 0.2


def launch(slurm: Slurm, folder: Path, **changes: object) -> Background:
    """Eight units under way, of which one or more are recorded."""
    engine = SlurmEngine(settings(slurm, **changes))
    found = Background(folder / "a.zarr", engine, Record(2.0 * pace(slurm)))
    until(lambda: found.recorded() > 0 or bool(found.died))
    return found


def listed(slurm: Slurm, *options: str) -> list[str]:
    """Ids of the jobs in the queue."""
    return slurm.command("squeue", "-h", "-r", *options, "-o", "%i").stdout.split()


def hurry(slurm: Slurm, *requeued: str) -> None:
    """SLURM holds what is requeued back for two minutes."""
    for job in requeued:
        until(lambda job=job: bool(listed(slurm, "-j", job, "-t", "PD")))
        slurm.command("scontrol", "update", f"JobId={job}", "StartTime=now")


def workers_of(job: str) -> list[psutil.Process]:
    """The Python workers of a job: virtual nodes are on this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            env, words = process.environ(), process.cmdline()
            names = (env.get("SLURM_JOB_ID"), env.get("SLURM_ARRAY_JOB_ID"))
            if job.split("_")[0] in names and "submitit.core._submit" in words:
                found += [] if "srun" in words else [process]
    return found


def scancel(slurm: Slurm, job: str) -> None:
    assert slurm.command("scancel", job).returncode == 0


def requeue(slurm: Slurm, job: str) -> None:
    assert slurm.command("scontrol", "requeue", job).returncode == 0
    hurry(slurm, job)


def preempt(slurm: Slurm, job: str) -> None:
    """As SLURM tells jobs, at the end of their time or before they have to give way."""
    assert slurm.command("scancel", "--signal=USR2", job).returncode == 0
    hurry(slurm, job)


def kill(slurm: Slurm, job: str) -> None:
    workers = workers_of(job)
    assert workers
    for worker in workers:
        worker.kill()


def accounting(slurm: Slurm, job: str) -> None:
    away(slurm, "slurmdbd")


def controller(slurm: Slurm, job: str) -> None:
    away(slurm, "slurmctld")


def away(slurm: Slurm, daemon: str) -> None:
    slurm.stop(daemon)
    time.sleep(5.0 * pace(slurm))
    slurm.restart(daemon)


HARMS = (scancel, requeue, preempt, kill, accounting, controller)


def survives(harm: Callable[[Slurm, str], None], slurm: Slurm, folder: Path) -> None:
    running = launch(slurm, folder)
    harm(slurm, listed(slurm, "-t", "R")[0])
    running.check()


def gives_way(partition: str, submissions: int, slurm: Slurm, folder: Path) -> None:
    """Preempted jobs of `debug` are requeued, of `spare` cancelled."""
    running = launch(slurm, folder, partition=partition, array_parallelism=1)
    before = set(listed(slurm))
    kept = Store(running.path).records
    urgent = ["-p", "urgent", "-N4", "--exclusive", "--wrap", f"sleep {3 * pace(slurm)}"]
    assert slurm.command("sbatch", *urgent).returncode == 0
    until(lambda: bool(listed(slurm, "-p", "urgent", "-t", "R")))
    assert running.recorded() < 8
    if partition == "debug":  # it goes back under its id
        requeued = set(listed(slurm, "-p", "debug", "-t", "PD"))
        assert requeued == before
        hurry(slurm, *requeued)
    running.check()
    records = Store(running.path).records
    assert {unit: records[unit] for unit in kept} == kept
    assert running.submissions() == submissions
    states = ["sacct", "-n", "-X", "-D", "-P", "-o", "JobID,State", "-j", ",".join(before)]
    assert "PREEMPTED" in slurm.command(*states).stdout


def goes_back_at_its_time_limit(slurm: Slurm, folder: Path) -> None:
    # SLURM looks every 30 s, and tells a job up to 30 s before it was asked to
    asked = settings(slurm, timeout_min=1, signal_delay_s=2, array_parallelism=1)
    limit = 60.0 if isinstance(slurm, Cluster) else slurm.minute
    running = Background(folder / "a.zarr", SlurmEngine(asked), Record(0.13 * limit, hurries=True))
    until(lambda: running.recorded() > 0)
    (job,) = listed(slurm, "-t", "R")
    hurry(slurm, job)
    kept = Store(running.path).records
    assert 0 < len(kept) < 8
    running.check()
    until(lambda: not listed(slurm))
    records = Store(running.path).records
    assert {unit: records[unit] for unit in kept} == kept
    assert running.submissions() == 1


def loses_a_node(slurm: Slurm, folder: Path) -> None:
    running = launch(slurm, folder)
    rows = slurm.command("squeue", "-h", "-r", "-t", "R", "-o", "%i %N").stdout.splitlines()
    job, node = rows[0].split()
    steps = f"[{job.split('_')[0]}."
    victims = [
        process
        for process in psutil.process_iter(["name", "cmdline"])  # None of what ends meanwhile
        if "slurmstepd" in process.info["name"] and steps in str(process.info["cmdline"])
    ]
    slurm.stop(f"slurmd-{node}")
    for process in [*victims, *workers_of(job)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    # the controller would find out by itself, two minutes later
    told = ["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=died"]
    assert slurm.command(*told).returncode == 0
    try:
        until(lambda: bool(listed(slurm, "-t", "PD")))
        hurry(slurm, *listed(slurm, "-t", "PD"))
        running.check()
    finally:
        slurm.restart(f"slurmd-{node}")
        until(lambda: "down" not in slurm.command("sinfo", "-h", "-o", "%T").stdout)


def is_given_up(slurm: Slurm, folder: Path) -> None:
    packages = published(folder / "a.zarr", 1)
    ((outcome,),) = SlurmEngine(settings(slurm), late=3.0 * pace(slurm)).run(packages, die)
    assert outcome.died
    assert outcome.error is not None
    assert outcome.error.startswith(f"its job ended {ATTEMPTS} times (")


def takes_too_much_memory(slurm: Slurm, folder: Path) -> None:
    packages = published(folder / "a.zarr", 1)
    engine = SlurmEngine(settings(slurm, mem_gb=1.0), late=3.0 * pace(slurm))
    ((outcome,),) = engine.run(packages, swell)
    assert outcome.error is not None
    # with cgroups the state would be OUT_OF_MEMORY
    assert re.match(
        rf"its job ended {ATTEMPTS} times \(FAILED: StepId=\S+ exceeded memory limit", outcome.error
    )
    assert len(list((folder / "a.zarr.sweep" / "slurm").iterdir())) == ATTEMPTS == 3
    until(lambda: not listed(slurm))


def keeps_arrays_below_the_limit(slurm: Slurm, folder: Path) -> None:
    count = slurm.max_array + 2
    packages = published(folder / "a.zarr", count)
    engine = SlurmEngine(settings(slurm, array_parallelism=count))
    assert engine.started(count) == f"slurm, {count} jobs of 1 workers in 2 arrays"
    outcomes = [o for ended in engine.run(packages, Record()) for o in ended]
    assert [o.error for o in outcomes] == [None] * count
    (submission,) = (folder / "a.zarr.sweep" / "slurm").iterdir()
    scripts = submission.glob("*submission.sh")
    arrays = [re.findall("array=(.*)", script.read_text()) for script in scripts]
    assert sorted(arrays) == [["0-1%2"], [f"0-{count - 3}%{count - 2}"]]
    assert all(len(found) == 1 for found in Store(folder / "a.zarr").records.values())


def held_elsewhere(slurm: Slurm, folder: Path) -> None:
    """Jobs of a launch on another host are named and left."""
    submission = queue.submissions(folder / "a.zarr") / "f"
    submission.mkdir(parents=True)
    (submission / "job.sh").write_text("#!/bin/sh\n")
    assert slurm.command("sbatch", "--hold", str(submission / "job.sh")).returncode == 0
    (job,) = queue.held(submission)
    claim = submission / "submitting.claim"
    claim.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 1.0}))
    (line,) = queue.left_behind(folder / "a.zarr")
    assert line.startswith(f"jobs {job} are held by another launch: {claim}: host elsewhere, pid 7")
    assert line.endswith(f"; then: scancel {job}")
    assert queue.held(submission) == [job]
    with pytest.raises(KeyboardInterrupt), queue.submitting(folder):
        raise KeyboardInterrupt  # jobs that were submitted from below are taken back
    assert queue.held(submission) == []


OTHERS = (
    goes_back_at_its_time_limit,
    loses_a_node,
    is_given_up,
    takes_too_much_memory,
    keeps_arrays_below_the_limit,
)
