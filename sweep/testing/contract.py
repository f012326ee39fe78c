"""What every engine has to do; a new one subclasses it with its `engine`, and passes.

    class TestMine(HandingContract):
        @pytest.fixture(scope="class")
        @classmethod
        def engine(cls) -> Engine:
            return MyEngine()

with `reference` imported beside it. `HandingContract` is for engines whose workers hand back what
they return, `EngineContract` for those that only see it in the store.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.config import SweepConf
from sweep.engines import Engine
from sweep.grid import Experiment, Outcome, Package, missing_tasks, unique
from sweep.progress import Progress
from sweep.session import Request, launch
from sweep.store import Store, verify
from sweep.testing.small import assert_same_results, grid, run
from sweep.testing.workers import attempts, jobs, work
from sweep.worker import run_package

POINTS = ("noise.ratio=1 noise.realisations=4", "noise.ratio=2 noise.realisations=4")
"""Two experiments of four units each, which the contract has computed."""


class Idle(Engine):
    """Computes nothing, so that a launch only publishes."""

    def workers(self) -> int:
        """See `Engine.workers`."""
        return 1

    def run(self, packages: Any, worker: Any, say: Any = None) -> Iterator[list[Outcome]]:
        """See `Engine.run`."""
        yield from ()


def packages_of(path: Path, confs: list[SweepConf]) -> list[Package]:
    """Publish a store and return what there is to compute, a package for each unit."""
    launch(Request(confs, Idle()), Progress(None))
    found = missing_tasks(Store(path), unique([Experiment(c) for c in confs]))
    return [Package(str(path), (task,), "of a test") for task in found]


def spoiled(package: Package) -> Package:
    """The package with a configuration that its worker cannot build."""
    (task,) = package.tasks
    (conf,) = task.confs
    wrong = replace(conf, clusters=replace(conf.clusters, beta_dust=9999))
    return replace(package, tasks=(replace(task, confs=(wrong,)),))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engines have to compute, in this process and with four realisations a block."""
    path = tmp_path_factory.mktemp("reference") / "a.zarr"
    with _own_cache(tmp_path_factory):
        done = run(grid(path, *(f"{point} fit.block=4" for point in POINTS)))
    assert len(done.outcomes) == 2
    return path


@contextmanager
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


class EngineContract:
    """Of every engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        """The engine to test."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def spoiled_run(
        cls, engine: Engine, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, list[Outcome]]:
        """A store whose fourth unit could not be computed, and what the engine said."""
        path = tmp_path_factory.mktemp("engine") / "a.zarr"
        with _own_cache(tmp_path_factory):
            packages = packages_of(path, grid(path, *POINTS))
            packages[3] = spoiled(packages[3])
            return path, [o for ended in engine.run(packages, run_package) for o in ended]

    def test_nothing_to_do_is_nothing_done(self, engine: Engine) -> None:
        """Not even a worker."""
        assert list(engine.run([], work)) == []

    def test_workers_are_counted(self, engine: Engine) -> None:
        """There is one at least."""
        assert engine.workers() >= 1

    def test_an_exception_costs_its_unit_only_and_is_told(
        self, spoiled_run: tuple[Path, list[Outcome]]
    ) -> None:
        """It is one line, in the outcome and in the store's log; the other seven are recorded."""
        path, outcomes = spoiled_run
        failures = [o for o in outcomes if o.error is not None]
        assert len(failures) == 1, [o.error for o in failures]
        (failed,) = failures
        assert failed.error is not None
        assert "ConfigError: an input file changed since the launch" in failed.error
        assert "\n" not in failed.error
        assert len(outcomes) == 8
        assert sum(sum(o.statuses.values()) for o in outcomes) == 7
        store = Store(path)
        assert store.pending_units() == (failed.task.unit,)
        (logged,) = store.errors()
        assert logged.unit == failed.task.unit
        assert logged.message == failed.error
        assert "Traceback" in logged.traceback
        assert {r.engine for records in store.records.values() for r in records} == {"of a test"}

    def test_the_results_are_those_of_any_other_engine(
        self, spoiled_run: tuple[Path, list[Outcome]], reference: Path
    ) -> None:
        """Statuses and counts equal, numbers but for rounding."""
        path, _ = spoiled_run
        done = run(grid(path, *POINTS))  # what is missing, here
        assert [len(done.outcomes), done.total, done.missing] == [1, 8, 0]
        assert verify(path).clean
        # largest relative difference seen on a 2-core x86: none between engines, 2.3e-14
        # (cmb_variance) between blocks of 1 and 4; counts and parameters equal
        assert_same_results(path, reference, rtol=1e-10)


class HandingContract(EngineContract):
    """Of engines whose workers hand their outcomes back, whatever the package."""

    def test_every_package_is_computed_once(self, engine: Engine, tmp_path: Path) -> None:
        """And its outcomes come back."""
        names = [f"p{i}" for i in range(7)]
        ended = list(engine.run(jobs(tmp_path, *names), work))
        assert sorted(ended) == [[f"done {name}"] for name in names]
        assert [attempts(tmp_path, name) for name in names] == [1] * 7

    def test_an_engine_can_be_used_again(self, engine: Engine, tmp_path: Path) -> None:
        """A launch does not wear it out."""
        for name in ("once", "twice"):
            assert list(engine.run(jobs(tmp_path, name), work)) == [[f"done {name}"]]
