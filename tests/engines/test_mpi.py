"""The MPI engine with real ranks, and alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sweep.engines import Engine
from sweep.engines.mpi import MpiEngine, rank_count, ranks
from sweep.errors import ConfigError
from sweep.store import Store, verify
from sweep.testing.contract import POINTS, HandingContract
from sweep.testing.small import SMALL, assert_same_results

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class TestAlone(HandingContract):
    """`sweep hydra/launcher=mpi` without mpiexec."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return MpiEngine()


NOT_CONNECTED = {
    "srun without --mpi": {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "8"},
    "an older srun": {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "4"},
    "mpiexec of Open MPI": {"OMPI_COMM_WORLD_SIZE": "4"},
    "mpiexec of MPICH, its daemons started by srun": {
        "PMI_SIZE": "4",
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "7",
    },
}


@pytest.mark.parametrize("case", NOT_CONNECTED)
def test_ranks_that_mpi_does_not_connect_are_refused(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 17, point 2: each ran the whole sweep."""
    for name, value in NOT_CONNECTED[case].items():
        monkeypatch.setenv(name, value)
    assert rank_count() == 4
    with pytest.raises(ConfigError, match="started as one of 4, but MPI sees this one alone"):
        ranks().__enter__()


def test_a_batch_script_is_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert rank_count() == 1
    with ranks() as launches:
        assert launches


def mpiexec(ranks: int, *command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BIN / "mpiexec", "-n", str(ranks), *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def sweep_under(ranks: int, folder: Path, *overrides: str) -> subprocess.CompletedProcess:
    return mpiexec(ranks, BIN / "sweep", "-m", *SMALL, *overrides, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [pytest.param(2, marks=pytest.mark.soak), 4])
def test_the_ranks_hold_the_contract(ranks: int) -> None:
    done = mpiexec(ranks, sys.executable, "-m", "tests.engines.under_mpi")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "8 passed" in done.stdout


@pytest.mark.slow
def test_the_command_gives_what_any_engine_gives(tmp_path: Path, reference: Path) -> None:
    given = ["noise.ratio=1,2", "noise.realisations=4", "store.path=a.zarr", "hydra/launcher=mpi"]
    done = sweep_under(3, tmp_path, *given)
    assert done.returncode == 0, done.stderr
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    records = Store(tmp_path / "a.zarr").records.values()
    assert {record.engine for found in records for record in found} == {"mpi"}
    # printed once, by one rank
    assert done.stdout.count("cmb_variance ±") == 1


def test_bad_input_ends_all_ranks(tmp_path: Path) -> None:
    done = sweep_under(3, tmp_path, "noise.rato=1", "hydra/launcher=mpi")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean `noise.ratio`?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_printed_by_one_rank_and_makes_nothing(tmp_path: Path) -> None:
    given = ["noise.ratio=1,2", "store.path=a.zarr", "hydra/launcher=mpi", "plan=true"]
    done = sweep_under(3, tmp_path, *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mpi, 2 ranks that compute") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_cannot_serve_ends_the_job(tmp_path: Path) -> None:
    done = mpiexec(3, sys.executable, "-m", "tests.engines.broken_rank")
    assert done.returncode != 0
    assert "OSError: planted" in done.stderr


def test_ranks_without_the_launcher_are_refused(tmp_path: Path) -> None:
    done = sweep_under(2, tmp_path)
    assert done.returncode == 2
    assert "started as 2 MPI ranks or tasks: add hydra/launcher=mpi" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_dead_rank_ends_the_job_and_the_rerun_takes_up_the_rest(
    tmp_path: Path, reference: Path
) -> None:
    given = ["noise.ratio=1,2", "noise.realisations=4", "store.path=a.zarr", "hydra/launcher=mpi"]
    path = tmp_path / "a.zarr"
    running = subprocess.Popen(
        [BIN / "mpiexec", "-n", "3", BIN / "sweep", "-m", *SMALL, *given],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    journals = tmp_path / "a.zarr.sweep" / "journal"
    deadline = time.monotonic() + 120
    while not (journals.is_dir() and any(f.stat().st_size for f in journals.iterdir())):
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    # the youngest of the ranks is no launcher: rank 0 was started first
    ranks = [p for p in psutil.Process(running.pid).children(recursive=True) if "sweep" in p.name()]
    victim = max(ranks, key=lambda p: (p.create_time(), p.pid))
    os.kill(victim.pid, signal.SIGKILL)
    said, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "Killed (signal 9)" in said
    before = len(Store(path).done_units())
    assert 0 < before < 8
    done = sweep_under(3, tmp_path, *given)
    assert done.returncode == 0, done.stderr
    assert f"{8 - before} units to compute" in done.stderr
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


def test_points_of_the_command_are_those_of_the_contract() -> None:
    assert tuple(f"noise.ratio={n} noise.realisations=4" for n in (1, 2)) == POINTS
