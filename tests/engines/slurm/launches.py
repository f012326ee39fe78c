"""Launches of eight units on the test cluster, in the background of a test."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from sweep.engines import Engine, Worker
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.grid import Package
from sweep.launch import Launch
from sweep.store import Store, verify
from sweep.worker import Outcome
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.workers import slowly
from tests.small import assert_same_results, grid, run


def settings(**changes: object) -> SlurmSettings:
    return SlurmSettings(**{"poll_s": 0.5, "array_parallelism": 2, "timeout_min": 5} | changes)  # pyright: ignore


class Slowly(SlurmEngine):
    """Its jobs take seconds, so that harm finds them at work."""

    def run(self, packages: Sequence[Package], worker: Worker) -> Iterator[list[Outcome]]:
        return super().run(packages, slowly)


def jobs(cluster: Cluster) -> list[str]:
    return cluster.command("squeue", "-h", "-r", "-o", "%i").stdout.split()


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
