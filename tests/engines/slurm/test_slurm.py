"""The SLURM engine on a real cluster of four virtual nodes: each promise once.

What else it does is tried on a played SLURM, in test_queue.py and test_harm.py; all of it that a
real one may do otherwise runs here in `make soak`, three times.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.engines import Engine, queue
from sweep.engines.slurm import SlurmEngine
from sweep.errors import ConfigError
from sweep.store import Store, verify
from sweep.testing.cluster import Cluster
from sweep.testing.contract import EngineContract
from sweep.testing.small import SMALL, assert_same_results
from tests.engines.slurm import harms
from tests.engines.slurm.commands import BIN, GIVEN, QUICK, killed, sweep
from tests.engines.slurm.harms import listed, settings
from tests.engines.slurm.units import Record, published
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]


class TestTasksOfANode(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, cluster: Cluster) -> Engine:
        return SlurmEngine(settings(cluster, nodes=2, tasks_per_node=2, array_parallelism=1))


def test_without_waiting_jobs_go_on_and_the_last_one_seals(
    tmp_path: Path, reference: Path, cluster: Cluster
) -> None:
    given = ("hydra.launcher.wait=false", "hydra.launcher.aggregate=true")
    done = sweep(tmp_path, *GIVEN, *QUICK, *given)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "a.zarr"
    assert "submitted 8 of 8 units as jobs" in done.stdout
    assert f"sweep-store status {path}" in done.stdout
    assert len(listed(cluster)) == 3
    until(lambda: (tmp_path / "a.zarr.sweep" / "summary.json").exists())
    assert_same_results(path, reference, rtol=1e-10)
    sealed = {u for s in Store(path).segments.values() for u in s.sealed_units()}
    assert len(sealed) == 8


def test_jobs_finish_without_the_launch_that_was_killed(
    tmp_path: Path, reference: Path, cluster: Cluster
) -> None:
    path = tmp_path / "a.zarr"
    killed(tmp_path, lambda: bool(listed(cluster, "-t", "R")))  # so they were released
    until(lambda: not listed(cluster))
    assert len(Store(path).done_units()) == 8
    assert all(len(records) == 1 for records in Store(path).records.values())
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "nothing to do: all 8 units are recorded" in done.stdout
    assert verify(path).clean
    assert_same_results(path, reference, rtol=1e-10)


def test_held_jobs_of_a_launch_on_another_host_are_named_and_left(
    tmp_path: Path, cluster: Cluster
) -> None:
    harms.held_elsewhere(cluster, tmp_path)


def test_what_it_refuses_is_said(tmp_path: Path, cluster: Cluster) -> None:
    assert queue.max_array_size() == cluster.max_array == 11
    packages = published(tmp_path / "a.zarr", 1)
    engine = SlurmEngine(settings(cluster, partition="nosuch"))
    with pytest.raises(ConfigError, match="sbatch refused: .*[Ii]nvalid partition"):
        next(iter(engine.run(packages, Record())))
    assert not harms.held(tmp_path)
    for asked in ({"partition": "nosuch"}, {"mem_gb": 100}, {"nodes": 9}, {"cpus_per_task": 5}):
        with pytest.raises(ConfigError, match="sbatch would refuse the jobs: .*; nothing was made"):
            SlurmEngine(settings(cluster, **asked)).check(4)
    SlurmEngine(settings(cluster, aggregate=True)).check(4)
    cluster.command("scontrol", "update", "NodeName=n[0-3]", "State=DRAIN", "Reason=test")
    try:
        SlurmEngine(settings(cluster)).check(4)  # can wait for nodes
        assert not listed(cluster)
        with pytest.raises(ConfigError, match="Memory specification can not be satisfied"):
            SlurmEngine(settings(cluster, mem_gb=100)).check(4)
    finally:
        cluster.command("scontrol", "update", "NodeName=n[0-3]", "State=RESUME")


def test_a_launch_within_a_job_takes_nothing_of_it_along(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "2500")  # of two memories srun takes none
    packages = published(tmp_path / "a.zarr", 2)
    lines: list[str] = []
    engine = SlurmEngine(settings(cluster, mem_gb=2, cpus_per_task=2))
    outcomes = [o for ended in engine.run(packages, Record(), lines.append) for o in ended]
    assert [o.error for o in outcomes] == [None, None]
    assert not [line for line in lines if "cores" in line]
    assert not (tmp_path / "a.zarr.sweep" / "slurm").exists()


def test_ranks_within_an_allocation(tmp_path: Path, reference: Path) -> None:
    """MPICH 5.0.2 publishes 4 kB of memory that nobody has written to, in lines that may be longer
    than SLURM 22.05 reads: then no rank comes as far as a store. What is there follows from the
    size of the environment, too.
    """
    given = [g for g in GIVEN if "launcher" not in g]
    ranks = ["srun", "-N2", "--ntasks-per-node=2", "--mpi=pmi2", "--kill-on-bad-exit=1"]
    command = [*ranks, BIN / "sweep", "-m", *SMALL, *given, "hydra/launcher=mpi"]
    for size in (1, 500, 2500, 6000):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"OTHER": "-" * size},
            capture_output=True,
            text=True,
            timeout=140,
            check=False,
        )
        if (tmp_path / "a.zarr").exists():
            break
    assert done.returncode == 0, done.stderr
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    assert done.stdout.count("cmb_variance ±") == 1


def often(first: tuple, functions: tuple) -> pytest.MarkDecorator:
    """Three times in `make soak`; those of `first` once in `make test`."""
    cases = [
        pytest.param(
            function,
            id=f"{function.__name__}-{time}",
            marks=() if time == 0 and function in first else pytest.mark.soak,
        )
        for function in functions
        for time in range(3)
    ]
    return pytest.mark.parametrize("harm", cases)


@often((harms.preempt, harms.kill), harms.HARMS)
def test_a_launch_survives(harm: Callable, cluster: Cluster, tmp_path: Path) -> None:
    harms.survives(harm, cluster, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("time", range(3))
@pytest.mark.parametrize(("partition", "submissions"), [("debug", 1), ("spare", 2)])
def test_what_is_more_urgent_takes_the_nodes(
    partition: str, submissions: int, time: int, cluster: Cluster, tmp_path: Path
) -> None:
    harms.gives_way(partition, submissions, cluster, tmp_path)


@often((harms.loses_a_node, harms.cancels_an_element), harms.OTHERS)
def test_a_launch(harm: Callable, cluster: Cluster, tmp_path: Path) -> None:
    harm(cluster, tmp_path)
