"""What every engine has to do; a new one adds a class with its `engine` and passes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.config import SweepConf
from sweep.engines import Engine
from sweep.grid import Experiment, Package, missing_tasks, unique
from sweep.launch import launch
from sweep.progress import Progress
from sweep.store import Store, verify
from sweep.worker import Outcome, run_package
from tests.engines.workers import attempts, jobs, work
from tests.small import assert_same_results, grid, run

POINTS = ("noise.ratio=1 noise.realisations=4", "noise.ratio=2 noise.realisations=4")


class Idle(Engine):
    """Computes nothing, so that a launch only publishes."""

    def workers(self) -> int:
        return 1

    def run(self, packages: Any, worker: Any) -> Iterator[list[Outcome]]:
        yield from ()


def packages_of(path: Path, confs: list[SweepConf]) -> list[Package]:
    launch(confs, Idle(), Progress(None))
    found = missing_tasks(Store(path), unique([Experiment(c) for c in confs]))
    return [Package(str(path), (task,), "of a test") for task in found]


def spoiled(package: Package) -> Package:
    """The package with a configuration that its worker cannot build."""
    (task,) = package.tasks
    (conf,) = task.confs
    wrong = replace(conf, clusters=replace(conf.clusters, beta_dust=9999))
    return replace(package, tasks=(replace(task, confs=(wrong,)),))


class EngineContract:
    """Subclass it with a class-scoped fixture `engine`."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def spoiled_run(
        cls, engine: Engine, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, list[Outcome]]:
        """A store whose fourth unit could not be computed, and what the engine said."""
        path = tmp_path_factory.mktemp("engine") / "a.zarr"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
            packages = packages_of(path, grid(path, *POINTS))
            packages[3] = spoiled(packages[3])
            return path, [o for ended in engine.run(packages, run_package) for o in ended]

    def test_nothing_to_do_is_nothing_done(self, engine: Engine) -> None:
        assert list(engine.run([], work)) == []

    def test_workers_are_counted(self, engine: Engine) -> None:
        assert engine.workers() >= 1

    def test_an_exception_costs_its_unit_only_and_is_told(
        self, spoiled_run: tuple[Path, list[Outcome]]
    ) -> None:
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
        names = [f"p{i}" for i in range(7)]
        ended = list(engine.run(jobs(tmp_path, *names), work))
        assert sorted(ended) == [[f"done {name}"] for name in names]
        assert [attempts(tmp_path, name) for name in names] == [1] * 7

    def test_an_engine_can_be_used_again(self, engine: Engine, tmp_path: Path) -> None:
        for name in ("once", "twice"):
            assert list(engine.run(jobs(tmp_path, name), work)) == [[f"done {name}"]]
