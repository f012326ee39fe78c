"""The SLURM engine on a real cluster of four virtual nodes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.engines import Engine
from sweep.engines import slurm as engine_module
from sweep.engines.slurm import SlurmEngine
from sweep.errors import ConfigError
from sweep.store import Store, verify
from tests.engines.contract import EngineContract
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.launches import check, in_background, jobs, recorded, settings
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
