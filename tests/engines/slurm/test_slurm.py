"""The SLURM engine on a real cluster of four virtual nodes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.engines import Engine, queue
from sweep.engines.slurm import SlurmEngine
from sweep.errors import ConfigError
from sweep.store import Store, verify
from tests.engines.contract import EngineContract
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.launches import jobs, recorded, settings
from tests.engines.test_local import until
from tests.small import SMALL, assert_same_results, grid, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]
BIN = Path(sys.executable).parent
GIVEN = ("noise.ratio=1,2", "noise.realisations=4", "store.path=a.zarr", "hydra/launcher=slurm")
QUICK = ("hydra.launcher.poll_s=0.5", "hydra.launcher.array_parallelism=2")


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


def killed(folder: Path, when: Callable[[], bool], **changes: str) -> None:
    """Start the command, and kill -9 it and all it started."""
    with open(folder / "said", "w") as said:
        launch = subprocess.Popen(
            [BIN / "sweep", "-m", *SMALL, *GIVEN, *QUICK],
            cwd=folder,
            env=os.environ | changes,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        until(when, 120)
        assert launch.poll() is None, (folder / "said").read_text()
    finally:
        os.killpg(launch.pid, signal.SIGKILL)
        launch.wait()


def wrapper(folder: Path, body: str) -> str:
    """A PATH on which an sbatch of ours stands before the real one, `"$real"` in its body."""
    real = shutil.which("sbatch")
    fake = folder / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nreal={real}\n{body}")
    fake.chmod(0o755)
    return f"{fake.parent}:{os.environ['PATH']}"


def test_the_command_gives_what_any_engine_gives(tmp_path: Path, reference: Path) -> None:
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "8/8 units" in done.stderr
    records = Store(tmp_path / "a.zarr").records.values()
    assert {record.engine for found in records for record in found} == {"slurm"}
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    (folder,) = (tmp_path / "a.zarr.sweep" / "slurm").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    again = sweep(tmp_path, *GIVEN, *QUICK)
    assert again.returncode == 0
    assert "nothing to do: all 8 units are recorded" in again.stdout


def test_a_plan_submits_nothing(tmp_path: Path, cluster: Cluster) -> None:
    before = cluster.command("sacct", "-n", "-X", "-o", "JobID").stdout
    done = sweep(tmp_path, *GIVEN, *QUICK, "plan=true")
    assert done.returncode == 0, done.stderr
    assert "slurm, 2 jobs of 1 workers in 1 arrays" in done.stdout
    assert cluster.command("sacct", "-n", "-X", "-o", "JobID").stdout == before
    assert list(tmp_path.iterdir()) == []


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
    running = ("squeue", "-h", "-r", "-t", "R", "-o", "%i")  # so they were released
    killed(tmp_path, lambda: bool(cluster.command(*running).stdout.split()))
    until(lambda: not jobs(cluster), 120)
    assert recorded(path) == 8
    assert all(len(records) == 1 for records in Store(path).records.values())
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "nothing to do: all 8 units are recorded" in done.stdout
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


def test_jobs_of_a_launch_killed_over_their_submission_never_start(
    tmp_path: Path, reference: Path, cluster: Cluster
) -> None:
    path = tmp_path / "a.zarr"
    answered = tmp_path / "answered"
    late = wrapper(tmp_path, f'"$real" "$@"\ntouch {answered}\nsleep 30\n')
    killed(tmp_path, answered.exists, PATH=late)
    held = queue.held(tmp_path)
    assert len(held) == 1
    assert len(jobs(cluster)) == 2
    # submitit would have a job wait a minute for what it is to do, and fail
    assert not list((tmp_path / "a.zarr.sweep" / "slurm").glob("*/*submitted.pkl"))
    time.sleep(3)  # the scheduler looks every 2 s
    waiting = cluster.command("squeue", "-h", "-o", "%t %r").stdout.split()
    assert waiting == ["PD", "JobHeldUser"]
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    line = f"jobs {held[0]} cancelled: their launch died before it let them start"
    assert line in done.stderr.splitlines()
    assert not jobs(cluster)
    assert recorded(path) == 8
    assert all(len(records) == 1 for records in Store(path).records.values())
    assert_same_results(path, reference, rtol=1e-10)
    assert "cancelled" not in sweep(tmp_path, *GIVEN, *QUICK).stderr


def test_held_jobs_of_a_launch_on_another_host_are_named_and_left(
    tmp_path: Path, cluster: Cluster
) -> None:
    folder = queue.submissions(tmp_path / "a.zarr") / "f"
    folder.mkdir(parents=True)
    (folder / "job.sh").write_text("#!/bin/sh\n")
    assert cluster.command("sbatch", "--hold", str(folder / "job.sh")).returncode == 0
    (job,) = queue.held(folder)
    claim = folder / "submitting.claim"
    claim.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 1.0}))
    (line,) = queue.left_behind(tmp_path / "a.zarr")
    assert line.startswith(f"jobs {job} are held by another launch: {claim}: host elsewhere, pid 7")
    assert line.endswith(f"; then: scancel {job}")
    assert queue.held(folder) == [job]
    with pytest.raises(KeyboardInterrupt), queue.submitting(tmp_path):
        raise KeyboardInterrupt  # jobs that were submitted from below are taken back
    assert queue.held(folder) == []


def test_arrays_stay_below_the_limit_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    limit = queue.max_array_size()
    assert limit == cluster.max_array == 11
    path, here = tmp_path / "a.zarr", tmp_path / "here.zarr"
    point = f"noise.realisations={limit + 2}"
    done = run(grid(path, point), SlurmEngine(settings(array_parallelism=limit + 2)))
    assert (len(done.outcomes), done.missing, done.failed) == (limit + 2, 0, ())
    assert len(list((tmp_path / "a.zarr.sweep" / "slurm").iterdir())) == 1
    scripts = (tmp_path / "a.zarr.sweep" / "slurm").glob("*/*submission.sh")
    arrays = [re.findall("array=(.*)", script.read_text()) for script in scripts]
    assert sorted(arrays) == [["0-1%2"], [f"0-{limit - 1}%{limit}"]]
    records = Store(path).records
    assert all(len(found) == 1 for found in records.values())
    assert len(records) == limit + 2
    run(grid(here, point))
    assert_same_results(path, here, rtol=1e-10)


def test_a_refused_submission_names_what_was_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        f"echo x >> {tmp_path}/calls\n"
        f"[ $(wc -l < {tmp_path}/calls) -eq 3 ] && echo 'error: quota' >&2 && exit 1\n"
        'exec "$real" "$@"\n'
    )
    monkeypatch.setenv("PATH", wrapper(tmp_path, body))
    monkeypatch.setattr(queue, "max_array_size", lambda: 1)
    path = tmp_path / "a.zarr"
    confs = grid(path, "noise.realisations=4")
    with pytest.raises(
        ConfigError, match=r"sbatch refused: .*quota.*jobs submitted before: (\d+), (\d+)"
    ) as told:
        run(confs, SlurmEngine(settings(array_parallelism=4)))
    assert "\n" not in str(told.value)
    assert not queue.held(tmp_path)
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
    assert done.stderr == "sweep: hydra.launcher.nodes = 0: must be at least 1\n"
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
    assert done.stdout.count("cmb_variance ±") == 1
