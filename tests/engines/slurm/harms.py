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

from sweep.engines import ATTEMPTS, queue, submission
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
    """A played SLURM holds what is requeued back for two minutes; the real one waits less here."""
    for job in requeued:
        until(lambda job=job: bool(listed(slurm, "-j", job, "-t", "PD")))
        if isinstance(slurm, PlayedSlurm):
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


HARMS = (requeue, preempt, kill, accounting, controller)
SAID: dict[Callable[[Slurm, str], None], str] = {
    requeue: "job {} was put back into the queue and goes on with its",
    preempt: "job {} was put back into the queue and goes on with its",
    kill: " ended (FAILED",
}
"""Words of the line that a launch says about it."""


def survives(harm: Callable[[Slurm, str], None], slurm: Slurm, folder: Path) -> None:
    running = launch(slurm, folder)
    job = listed(slurm, "-t", "R")[0]
    harm(slurm, job)
    running.check()
    said = [line for line in running.lines if SAID.get(harm, "-").format(job) in line]
    assert bool(said) == (harm in SAID), running.lines
    if harm in (requeue, preempt, kill):
        assert running.submissions() == 1 + (harm is kill), running.lines


def cancels_an_element(slurm: Slurm, folder: Path) -> None:
    running = launch(slurm, folder)
    job, other = sorted(listed(slurm, "-t", "R"))
    assert slurm.command("scancel", job).returncode == 0
    running.end()
    left = [outcome for outcome in running.said if outcome.error is not None]
    reason = rf"job {job.split('_')[0]} was cancelled \(CANCELLED.*\)"
    assert all(o.cancelled and re.fullmatch(reason, o.error) for o in left)
    assert 0 < len(left) < 5  # half of eight, less what it had recorded
    (line,) = (line for line in running.lines if " ended (" in line)
    assert line.startswith(f"job {job} ended (CANCELLED")
    assert line.endswith(f"), {len(left)} units unfinished: left out")
    assert running.submissions() == 1
    assert running.recorded() == 8 - len(left)
    kept = [log.name for log in folder.glob("a.zarr.sweep/slurm/*/*/*")]
    assert {name for name in kept if name.startswith(f"{other}_")} == set()
    assert f"{job}_0_log.err" in kept  # says what became of it
    assert not [name for name in kept if name.endswith(".pkl")]


def cancels_all(slurm: Slurm, folder: Path) -> None:
    running = launch(slurm, folder)
    assert slurm.command("scancel", listed(slurm)[0].split("_")[0]).returncode == 0
    running.end()
    left = [outcome for outcome in running.said if outcome.error is not None]
    assert left
    assert all(outcome.cancelled for outcome in left)
    assert len(running.said) == 8
    assert running.submissions() == 1
    assert not listed(slurm)


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
    logs = list(folder.glob("a.zarr.sweep/slurm/*/*/*_log.err"))
    assert len(logs) == ATTEMPTS == 3  # what is to be looked into stays
    until(lambda: not listed(slurm))


def keeps_arrays_below_the_limit(slurm: Slurm, folder: Path) -> None:
    count = slurm.max_array + 2
    packages = published(folder / "a.zarr", count)
    engine = SlurmEngine(settings(slurm, array_parallelism=count))
    assert engine.started(count) == f"slurm, {count} jobs of 1 workers in 2 arrays"
    lines: list[str] = []
    outcomes = [o for ended in engine.run(packages, Record(), lines.append) for o in ended]
    assert [o.error for o in outcomes] == [None] * count
    (ids,) = re.findall(f"submitted {count} units in {count} jobs: (.*)", lines[0])
    told = slurm.command("sacct", "-n", "-X", "-P", "-o", "JobID", "-j", ids.replace(" ", ""))
    elements = [tuple(map(int, name.split("_"))) for name in told.stdout.split()]
    first, second = map(int, ids.split(", "))
    assert max(index for array, index in elements if array == first) == slurm.max_array - 1
    assert max(index for array, index in elements if array == second) == 1
    assert all(len(found) == 1 for found in Store(folder / "a.zarr").records.values())


def held_elsewhere(slurm: Slurm, folder: Path) -> None:
    """Jobs of a launch on another host are named and left."""
    store = folder / "a.zarr"
    submitted = submission.submissions(store) / "f"
    submitted.mkdir(parents=True)
    job = held_job(slurm, submitted)
    claim = submitted / "submitting.claim"
    claim.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 1.0}))
    (line,) = submission.left_behind(store)
    assert line.startswith(f"jobs {job} are held by another launch: {claim}: host elsewhere, pid 7")
    assert line.endswith(f"; then: scancel {job}")
    assert held(folder) == [job]
    claim.unlink()
    own = submitted.with_name("g")
    taken_back = []

    def interrupted() -> None:
        with submission.submitting(own):
            taken_back.append(held_job(slurm, own))
            assert set(held(folder)) == {job, *taken_back}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert held(folder) == [job]
    assert not own.exists()
    slurm.command("scancel", job)


def held_job(slurm: Slurm, folder: Path) -> str:
    (folder / "job.sh").write_text("#!/bin/sh\n")
    said = slurm.command("sbatch", "--hold", str(folder / "job.sh"))
    assert said.returncode == 0
    return said.stdout.split()[-1]


def held(folder: Path) -> list[str]:
    """Ids of arrays that were submitted from within a folder and wait for their release."""
    found = [j for j in queue.look() or () if j.held and j.script.is_relative_to(folder)]
    return list(dict.fromkeys(queue.array_of(job.job) for job in found))


OTHERS = (
    goes_back_at_its_time_limit,
    loses_a_node,
    is_given_up,
    takes_too_much_memory,
    keeps_arrays_below_the_limit,
    cancels_an_element,
    cancels_all,
)
