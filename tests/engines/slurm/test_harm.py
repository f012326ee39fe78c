"""Jobs, nodes and daemons of a real SLURM cluster that are harmed while a launch waits."""

import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sweep.engines import ATTEMPTS
from sweep.engines.slurm import SlurmEngine
from sweep.store import Store, verify
from sweep.worker import Outcome
from tests.engines.contract import packages_of
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.launches import Slowly, check, in_background, jobs, recorded, settings
from tests.engines.slurm.workers import die, slow_at_first, swell
from tests.engines.test_local import until
from tests.small import assert_same_results, grid

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]


def tasks_of(job: str) -> list[psutil.Process]:
    """The Python workers of a job: virtual nodes are on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("SLURM_JOB_ID") == job.split("_")[0] or (
                process.environ().get("SLURM_ARRAY_JOB_ID") == job.split("_")[0]
            )
            if mine and "submitit.core._submit" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def hurry(cluster: Cluster, *requeued: str) -> None:
    """SLURM holds what is requeued back for two minutes."""
    for job in requeued:
        pending = ["squeue", "-h", "-r", "-j", job, "-t", "PD", "-o", "%i"]
        until(lambda pending=pending: bool(cluster.command(*pending).stdout.split()), 60)
        cluster.command("scontrol", "update", f"JobId={job}", "StartTime=now")


def harm_scancel(cluster: Cluster, job: str) -> None:
    cluster.command("scancel", job)


def harm_requeue(cluster: Cluster, job: str) -> None:
    assert cluster.command("scontrol", "requeue", job).returncode == 0
    hurry(cluster, job)


def harm_preempt(cluster: Cluster, job: str) -> None:
    assert cluster.command("scancel", "--signal=USR2", job).returncode == 0
    hurry(cluster, job)


def harm_kill(cluster: Cluster, job: str) -> None:
    workers = [p for p in tasks_of(job) if "srun" not in p.name()]
    assert workers
    for worker in workers:
        worker.kill()


def harm_accounting(cluster: Cluster, job: str) -> None:
    cluster.stop("slurmdbd")
    time.sleep(5)
    cluster.start("slurmdbd", "slurmdbd", "-D")


def harm_controller(cluster: Cluster, job: str) -> None:
    cluster.stop("slurmctld")
    time.sleep(5)
    cluster.start("slurmctld", "slurmctld", "-D")


@pytest.mark.parametrize(
    "harm",
    [harm_scancel, harm_requeue, harm_preempt, harm_kill, harm_accounting, harm_controller],
    ids=lambda f: f.__name__.removeprefix("harm_"),
)
def test_a_launch_survives(
    harm: Callable[[Cluster, str], None], cluster: Cluster, tmp_path: Path, reference: Path
) -> None:
    path = tmp_path / "a.zarr"
    thread, said = in_background(path, Slowly(settings()))
    until(lambda: recorded(path) > 0, 120)
    running = cluster.command("squeue", "-h", "-r", "-t", "R", "-o", "%i").stdout.split()
    harm(cluster, running[0])
    check(path, reference, thread, said)


@pytest.mark.parametrize(("partition", "again"), [("debug", 1), ("spare", 2)])
def test_what_is_more_urgent_takes_the_nodes(
    partition: str, again: int, cluster: Cluster, tmp_path: Path, reference: Path
) -> None:
    """Preempted jobs of `debug` are requeued, of `spare` cancelled."""
    path = tmp_path / "a.zarr"
    thread, said = in_background(path, Slowly(settings(partition=partition, array_parallelism=1)))
    until(lambda: recorded(path) > 0, 120)
    before = set(jobs(cluster))
    kept = Store(path).records
    urgent = ["sbatch", "-p", "urgent", "-N4", "--exclusive", "--wrap", "sleep 3"]
    assert cluster.command(*urgent).returncode == 0
    named = ["squeue", "-h", "-p", "urgent", "-t", "R", "-o", "%i"]
    until(lambda: bool(cluster.command(*named).stdout.split()), 60)
    assert recorded(path) < 8
    if partition == "debug":  # it goes back under its id
        waiting = ["squeue", "-h", "-r", "-p", "debug", "-t", "PD", "-o", "%i"]
        requeued = set(cluster.command(*waiting).stdout.split())
        assert requeued == before
        hurry(cluster, *requeued)
    check(path, reference, thread, said)
    records = Store(path).records
    assert {unit: records[unit] for unit in kept} == kept
    assert all(len(found) == 1 for found in records.values())
    folders = list((tmp_path / "a.zarr.sweep" / "slurm").iterdir())
    assert len(folders) == again
    states = ["sacct", "-n", "-X", "-D", "-P", "-o", "JobID,State", "-j", ",".join(before)]
    assert "PREEMPTED" in cluster.command(*states).stdout


def test_at_its_time_limit_a_job_goes_back_with_what_it_has_left(
    cluster: Cluster, tmp_path: Path, reference: Path
) -> None:
    path = tmp_path / "a.zarr"
    packages = packages_of(
        path, grid(path, *(f"noise.ratio={n} noise.realisations=4" for n in (1, 2)))
    )
    # SLURM looks every 30 s, and tells a job up to 30 s before it was asked to
    one = SlurmEngine(settings(timeout_min=1, signal_delay_s=2, array_parallelism=1))
    ended: list[list[Outcome]] = []
    thread = threading.Thread(target=lambda: ended.extend(one.run(packages, slow_at_first)))
    thread.start()
    until(lambda: recorded(path) > 0, 120)
    (job,) = cluster.command("squeue", "-h", "-r", "-t", "R", "-o", "%i").stdout.split()
    hurry(cluster, job)
    kept = Store(path).records
    assert 0 < len(kept) < 8
    thread.join(120)
    until(lambda: not jobs(cluster), 60)
    assert sum(o.error is None for outcomes in ended for o in outcomes) == 8
    records = Store(path).records
    assert {unit: records[unit] for unit in kept} == kept
    assert all(len(found) == 1 for found in records.values())
    assert len(list((tmp_path / "a.zarr.sweep" / "slurm").iterdir())) == 1  # one submission
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


def test_a_node_that_dies_costs_only_time(
    cluster: Cluster, tmp_path: Path, reference: Path
) -> None:
    path = tmp_path / "a.zarr"
    thread, said = in_background(path, Slowly(settings()))
    until(lambda: recorded(path) > 0, 120)
    running = cluster.command("squeue", "-h", "-r", "-t", "R", "-o", "%i %N").stdout.split()
    node = running[1]
    steps = f"[{running[0].split('_')[0]}."
    victims = [
        process
        for process in psutil.process_iter(["name", "cmdline"])  # None of what ends meanwhile
        if "slurmstepd" in process.info["name"] and steps in str(process.info["cmdline"])
    ]
    cluster.stop(f"slurmd-{node}")
    for process in [*victims, *tasks_of(running[0])]:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    # the controller would find out by itself, two minutes later
    told = ["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=died"]
    assert cluster.command(*told).returncode == 0
    try:
        waiting = ["squeue", "-h", "-r", "-t", "PD", "-o", "%i"]
        until(lambda: bool(cluster.command(*waiting).stdout.split()), 60)
        hurry(cluster, *cluster.command(*waiting).stdout.split())
        check(path, reference, thread, said)
    finally:
        cluster.start_node(int(node[1:]))
        until(lambda: "down" not in cluster.command("sinfo", "-h", "-o", "%T").stdout, 60)


def test_what_always_dies_is_given_up_and_named(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    packages = packages_of(path, grid(path, "noise.realisations=1"))
    ((outcome,),) = SlurmEngine(settings(), late=3.0).run(packages, die)
    assert outcome.died
    assert outcome.error is not None
    assert outcome.error.startswith(f"its job ended {ATTEMPTS} times (")


def test_more_memory_than_was_asked_for_is_named_and_tried_so_often_only(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    packages = packages_of(path, grid(path, "noise.realisations=1"))
    engine = SlurmEngine(settings(mem_gb=1.0), late=3.0)
    ((outcome,),) = engine.run(packages, swell)
    assert outcome.error is not None
    # with cgroups the state would be OUT_OF_MEMORY
    assert re.match(
        rf"its job ended {ATTEMPTS} times \(FAILED: StepId=\S+ exceeded memory limit", outcome.error
    )
    assert len(list((tmp_path / "a.zarr.sweep" / "slurm").iterdir())) == ATTEMPTS == 3
    until(lambda: not jobs(cluster), 60)
