"""The SLURM engine on a real cluster of four virtual nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sweep.engines import ATTEMPTS, Engine
from sweep.engines import slurm as engine_module
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.errors import ConfigError
from sweep.launch import Launch
from sweep.store import Store, verify
from sweep.worker import Outcome
from tests.engines.contract import EngineContract, packages_of
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.workers import die, slow_at_first
from tests.engines.test_local import until
from tests.small import SMALL, assert_same_results, grid, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]
BIN = Path(sys.executable).parent
GIVEN = ("noise.ratio=1,2", "noise.realisations=4", "store.path=a.zarr", "hydra/launcher=slurm")
QUICK = ("hydra.launcher.poll_s=0.5", "hydra.launcher.array_parallelism=2")


def settings(**changes: object) -> SlurmSettings:
    return SlurmSettings(**{"poll_s": 0.5, "array_parallelism": 2, "timeout_min": 5} | changes)  # pyright: ignore


class TestJobs(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, cluster: Cluster) -> Engine:
        return SlurmEngine(settings())


class TestTasksOfANode(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, cluster: Cluster) -> Engine:
        return SlurmEngine(settings(nodes=2, tasks_per_node=2, array_parallelism=1))


def sweep(folder: Path, *overrides: str, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BIN / "sweep", "-m", *SMALL, *overrides],
        cwd=folder,
        env=os.environ | changes,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def jobs(cluster: Cluster) -> list[str]:
    return cluster.command("squeue", "-h", "-r", "-o", "%i").stdout.split()


def test_the_command_gives_what_any_engine_gives(tmp_path: Path, reference: Path) -> None:
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "8/8 units" in done.stderr
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    (folder,) = (tmp_path / "a.zarr.sweep" / "slurm").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    again = sweep(tmp_path, *GIVEN, *QUICK)
    assert again.returncode == 0
    assert "nothing to do: all 8 units are recorded" in again.stdout


def test_without_waiting_jobs_go_on_and_the_last_one_seals(
    tmp_path: Path, reference: Path, cluster: Cluster
) -> None:
    given = ("hydra.launcher.wait=false", "hydra.launcher.aggregate=true")
    done = sweep(tmp_path, *GIVEN, *QUICK, *given)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "a.zarr"
    assert "submitted 8 of 8 units as jobs" in done.stdout
    assert f"sweep-store status {path}" in done.stdout
    assert len(jobs(cluster)) == 3
    until(lambda: (tmp_path / "a.zarr.sweep" / "summary.json").exists(), 120)
    assert_same_results(path, reference, rtol=1e-10)
    sealed = {u for s in Store(path).segments.values() for u in s.sealed_units()}
    assert len(sealed) == 8


def test_jobs_finish_without_the_launch_that_was_killed(
    tmp_path: Path, reference: Path, cluster: Cluster
) -> None:
    path = tmp_path / "a.zarr"
    with open(tmp_path / "said", "w") as said:
        launch = subprocess.Popen(
            [BIN / "sweep", "-m", *SMALL, *GIVEN, *QUICK], cwd=tmp_path, stdout=said, stderr=said
        )
    try:
        until(lambda: bool(jobs(cluster)), 120)
    finally:
        launch.kill()
        launch.wait()
    until(lambda: not jobs(cluster), 120)
    assert recorded(path) == 8
    assert all(len(records) == 1 for records in Store(path).records.values())
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "nothing to do: all 8 units are recorded" in done.stdout
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


def in_background(path: Path, engine: Engine) -> tuple[threading.Thread, list[Launch]]:
    """A launch of eight units that goes on while a test does harm."""
    said: list[Launch] = []
    confs = grid(path, *(f"noise.ratio={n} noise.realisations=4" for n in (1, 2)))
    thread = threading.Thread(target=lambda: said.append(run(confs, engine)))
    thread.start()
    return thread, said


def recorded(path: Path) -> int:
    return len(Store(path).done_units()) if (path / "zarr.json").exists() else 0


def check(path: Path, reference: Path, thread: threading.Thread, said: list[Launch]) -> None:
    thread.join(240)
    (done,) = said
    assert not done.failed
    assert done.missing == 0
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


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


def hurry(cluster: Cluster, job: str) -> None:
    """SLURM holds what is requeued back for two minutes."""
    pending = ["squeue", "-h", "-r", "-j", job, "-t", "PD", "-o", "%i"]
    until(lambda: bool(cluster.command(*pending).stdout.split()), 60)
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
    thread, said = in_background(path, SlurmEngine(settings()))
    until(lambda: recorded(path) > 0, 120)
    running = cluster.command("squeue", "-h", "-r", "-t", "R", "-o", "%i").stdout.split()
    harm(cluster, running[0])
    check(path, reference, thread, said)


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
    thread, said = in_background(path, SlurmEngine(settings()))
    until(lambda: recorded(path) > 0, 120)
    running = cluster.command("squeue", "-h", "-r", "-t", "R", "-o", "%i %N").stdout.split()
    node = running[1]
    victims = [
        process
        for process in psutil.process_iter()
        if "slurmstepd" in process.name()
        and f"[{running[0].split('_')[0]}." in str(process.cmdline())
    ]
    cluster.stop(f"slurmd-{node}")
    for process in [*victims, *tasks_of(running[0])]:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    try:
        check(path, reference, thread, said)
    finally:
        cluster.start_node(int(node[1:]))
        until(lambda: "down" not in cluster.command("sinfo", "-h", "-o", "%T").stdout, 60)


def test_what_always_dies_is_given_up_and_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    path = tmp_path / "a.zarr"
    packages = packages_of(path, grid(path, "noise.realisations=1"))
    ((outcome,),) = SlurmEngine(settings()).run(packages, die)
    assert outcome.died
    assert outcome.error is not None
    assert outcome.error.startswith(f"its job ended {ATTEMPTS} times (")


def test_arrays_stay_below_the_limit(
    cluster: Cluster, tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_max_array_size", lambda: 2)
    path = tmp_path / "a.zarr"
    engine = SlurmEngine(settings(array_parallelism=4))
    thread, said = in_background(path, engine)
    check(path, reference, thread, said)
    folders = list((tmp_path / "a.zarr.sweep" / "slurm").glob("*/*submission.sh"))
    assert len({f.name.split("_")[0] for f in folders}) == 2


def test_the_limit_is_read_from_the_cluster() -> None:
    assert engine_module._max_array_size() == 1001


def test_a_refused_submission_names_what_was_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.run(["which", "sbatch"], capture_output=True, text=True, check=True)
    fake = tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/calls\n"
        f"[ $(wc -l < {tmp_path}/calls) -eq 3 ] && echo 'error: quota' >&2 && exit 1\n"
        f'exec {real.stdout.strip()} --hold "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(engine_module, "_max_array_size", lambda: 1)
    path = tmp_path / "a.zarr"
    confs = grid(path, "noise.realisations=4")
    with pytest.raises(
        ConfigError, match=r"sbatch refused: .*quota.*jobs submitted before: (\d+), (\d+)"
    ) as told:
        run(confs, SlurmEngine(settings(array_parallelism=4)))
    assert "\n" not in str(told.value)
    ids = str(told.value).rsplit(": ", 1)[1].split(", ")
    subprocess.run(["scancel", *ids], check=True)


def test_no_sbatch_is_one_line(tmp_path: Path) -> None:
    done = sweep(tmp_path, *GIVEN, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "sweep: hydra/launcher=slurm: there is no sbatch here; run it on a login node\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_number_is_one_line(tmp_path: Path) -> None:
    done = sweep(tmp_path, *GIVEN, "hydra.launcher.nodes=0")
    assert done.returncode == 2
    assert done.stderr == "sweep: hydra.launcher.nodes = 0: must be positive\n"
    assert list(tmp_path.iterdir()) == []


def test_ranks_within_an_allocation(tmp_path: Path, reference: Path) -> None:
    given = [g for g in GIVEN if "launcher" not in g]
    done = subprocess.run(
        ["srun", "-N2", "--ntasks-per-node=2", "--mpi=pmi2", BIN / "sweep", "-m"]
        + [*SMALL, *given, "hydra/launcher=mpi"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    assert done.stdout.count("cmb_variance") == 1
