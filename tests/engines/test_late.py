"""Files that a machine sees later than they were written, and clocks that disagree."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sweep import worker
from sweep.engines.job import Element
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.engines.submission import Share
from sweep.grid import Package
from sweep.statistics.progress import store_progress
from sweep.store import Store, compact, open_dataset, verify
from sweep.store.late import LATE_SECONDS, await_segments
from sweep.testing.contract import packages_of
from sweep.testing.small import assert_same_results, grid, run
from sweep.worker import failed, run_package

HIDDEN = 2.0


@contextmanager
def hidden(path: Path, seconds: float = HIDDEN) -> Any:
    """Hide a file or a folder for some seconds, as from a client that caches its folder."""
    aside = path.with_name(f"aside-{path.name}")
    path.rename(aside)
    back = threading.Timer(seconds, aside.rename, [path])
    back.start()
    yield
    back.join()


class Job:
    """Stands for a job of submitit that has ended."""

    paths = type("Paths", (), dict.fromkeys(("result_pickle", "stderr"), Path("/none")))

    def __init__(self, state: str) -> None:
        self.state = state

    def done(self) -> bool:
        return True

    def task(self, number: int) -> "Job":
        return self

    def get_info(self, mode: str) -> None:
        """What sacct says is known."""


class Ended(SlurmEngine):
    """Its jobs have ended when they are looked at; `hide` is in force meanwhile."""

    def __init__(self, late: float, hide: Callable[[], Any], work: Any) -> None:
        super().__init__(SlurmSettings(poll_s=0.05), late)
        self.hide, self.work = hide, work
        self.submitted: list[int] = []
        self.since = 0.0
        self.stack = ExitStack()

    def _submit(self, packages: Sequence[Package], worker: Any) -> tuple[list[Share], list[str]]:
        self.submitted.append(len(packages))
        for package in packages:
            self.work(package)
        self.stack.enter_context(self.hide())
        self.since = self.since or time.monotonic()
        units = frozenset(task.unit for package in packages for task in package.tasks)
        return [Share("7", Path("/none"), 1, units)], ["7"]


@pytest.fixture
def _sbatch(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr("sweep.engines.slurm.shutil.which", lambda name: name)
    monkeypatch.setattr("sweep.engines.queue.look", list)
    monkeypatch.setattr("submitit.SlurmJob", lambda folder, job, tasks: Job(state))


@pytest.mark.usefixtures("_sbatch")
@pytest.mark.parametrize("state", ["COMPLETED"])
def test_what_jobs_recorded_is_waited_for(tmp_path: Path, state: str) -> None:
    path = tmp_path / "a.zarr"
    packages = packages_of(path, grid(path, "noise.realisations=3"))

    def work(package: Package) -> None:
        if package is packages[0]:
            failed(package.tasks[0], package, OSError("planted"), 3)
        else:
            run_package(package)

    def hide() -> Any:
        stack = ExitStack()
        for kind in ("journal", "logs"):
            for file in (tmp_path / "a.zarr.sweep" / kind).iterdir():
                stack.enter_context(hidden(file))
        return stack

    engine = Ended(30.0, hide, work)
    outcomes = [o for ended in engine.run(packages, run_package) for o in ended]
    assert HIDDEN - 0.5 < time.monotonic() - engine.since < 15
    assert [o.error for o in outcomes if o.error] == ["OSError: planted"]
    assert len(outcomes) == 3
    assert engine.submitted == [3]
    assert {o.task.unit for o in outcomes if not o.error} == Store(path).done_units()


@pytest.mark.usefixtures("_sbatch")
@pytest.mark.parametrize(("state", "waits"), [("COMPLETED", 3), ("FAILED", 1)])
def test_what_never_comes_is_waited_for_within_bounds(
    tmp_path: Path, state: str, waits: int
) -> None:
    path = tmp_path / "a.zarr"
    packages = packages_of(path, grid(path, "noise.realisations=1"))
    engine = Ended(0.5, ExitStack, lambda package: None)
    ((outcome,),) = engine.run(packages, run_package)
    # a job that died is followed by another at once; only the last is waited for
    assert waits * 0.5 < time.monotonic() - engine.since < waits * 0.5 + 10
    assert engine.submitted == [1] * 3
    assert outcome.error == f"its job ended 3 times ({state})"


@pytest.mark.parametrize("what", ["store", "segment", "its metadata"])
def test_a_worker_waits_for_what_was_published(
    what: str, tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    points = (f"noise.ratio={n} noise.realisations=4" for n in (1, 2))
    packages = packages_of(path, grid(path, *points))
    (segment,) = path.glob("segment-*")
    late = {"store": path, "segment": segment, "its metadata": segment / "zarr.json"}[what]
    monkeypatch.setattr("sweep.engines.job.JobEnvironment", Alone)
    monkeypatch.setattr("sweep.engines.job.share", lambda *_, **__: Alone())
    with hidden(late):
        assert Element(packages, run_package)() == 8
    assert Store(path).errors() == []
    assert_same_results(path, reference, rtol=1e-10)


class Alone:
    """The only task of a job; its slot is what this process has."""

    num_tasks, global_rank, local_rank = 1, 0, 0

    def take(self) -> None:
        """Nothing to limit, and no accelerator to try."""


def test_what_was_replaced_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, "noise.realisations=2"))
    (old,) = Store(path).segments
    compact(path)
    assert old not in Store(path).segments
    start = time.monotonic()
    assert await_segments(str(path), frozenset({old}))
    assert not await_segments(str(path), frozenset({old, "segment-none"}), 0.3)
    assert time.monotonic() - start < 5
    assert not await_segments(str(path), frozenset({old, "segment-none"}), 0.3)
    assert LATE_SECONDS >= 60  # acdirmax of NFS


def test_clocks_an_hour_apart_decide_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = {"right": (0, 0), "apart": (1, -1)}
    found, told = {}, {}
    for name, hours in clocks.items():
        path = tmp_path / f"{name}.zarr"
        packages = packages_of(path, grid(path, "noise.realisations=6"))
        shares = (packages[:3], packages[2:5])  # one of them by both
        for hour, mine in zip(hours, shares, strict=True):
            skew(monkeypatch, hour)
            worker._writer_of.cache_clear()
            for package in mine:
                run_package(package)
            failed(packages[5].tasks[0], packages[5], OSError("planted"), 3 if hour < 0 else 1)
        skew(monkeypatch, 0)
        store = Store(path)
        assert store.pending_units() == (packages[5].tasks[0].unit,)
        assert sorted(len(records) for records in store.records.values()) == [1, 1, 1, 1, 2]
        assert verify(path).clean
        progress = store_progress(store)
        assert progress.age is not None
        assert progress.age >= 0
        assert progress.failures[0].times == 2
        told[name] = (progress.units_done, progress.fits_missing, progress.statuses)
        found[name] = open_dataset(path).load()
        assert len(run(grid(path, "noise.realisations=6")).outcomes) == 1
    worker._writer_of.cache_clear()
    assert told["right"] == told["apart"]
    for name in ("status", "nll", "cmb_variance", "beta_dust"):
        assert found["right"][name].equals(found["apart"][name]), name


def skew(patch: pytest.MonkeyPatch, hours: float) -> None:
    """Set the clock that writers write down."""

    def now() -> str:
        return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds")

    for module in ("records", "journal"):
        patch.setattr(f"sweep.store.{module}.now", now)
