"""What a plan says is what a launch then does."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cli.session import run_session
from sweep.config import SweepConf
from sweep.engines import LocalEngine, Lost
from sweep.errors import ConfigError
from sweep.grid import Experiment, Geometry, Groups, unique
from sweep.progress import Progress
from sweep.session import Plan, Request, cost, plan
from sweep.session.cost import CostModel, Pilot, Timing, Trial, pilot, recorded, try_out
from sweep.solvers.newton import solver
from sweep.store import Store, UnitWriter, seal
from sweep.testing.small import grid, run, small
from sweep.worker import _writer_of
from tests.problems import PARAMETERS

POINTS = ("noise.ratio=1", "noise.ratio=2", "noise.ratio=1 clusters.beta_dust=3")


def planned(confs: list[SweepConf]) -> Plan:
    return plan(Request(confs, LocalEngine(0)), Progress(None))


def files(path: Path) -> int:
    folders = [path, path.with_name(f"{path.name}.sweep")]
    return sum(p.is_file() for folder in folders for p in folder.rglob("*"))


@pytest.mark.parametrize("words", ["", "fit.experiments=2", "store.maps=float32 fit.block=2"])
def test_a_launch_leaves_what_was_planned(tmp_path: Path, words: str) -> None:
    path = tmp_path / "a.zarr"
    confs = grid(path, *(f"{point} {words}" for point in POINTS))
    said = planned(confs)
    assert list(tmp_path.iterdir()) == []
    done = run(confs)
    assert said.identities == done.identities
    assert (said.experiments, said.fits, said.recorded) == (3, 6, 0)
    assert said.units == done.total == len(done.outcomes)
    assert said.files == files(path)
    assert said.cost.seconds > 0
    assert said.cost.timed == 3


def test_only_what_is_missing_is_planned(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, *POINTS))
    said = planned(grid(path, *POINTS))
    assert (said.fits, said.recorded, said.units, said.bytes) == (0, 6, 0, 0)
    assert (said.cost.seconds, said.wall) == (0, 0)
    before = files(path)
    grown = [*grid(path, *POINTS), small("noise.realisations=5", store=path)]
    said = planned(grown)
    assert (said.fits, said.recorded) == (3, 6)
    assert said.cost.source == "units recorded before"
    assert files(path) == before
    _writer_of.cache_clear()  # as another process, with a journal of its own
    run(grown)
    assert files(path) == before + said.files


def test_units_that_were_published_and_never_computed_count(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    confs = grid(path, *POINTS)
    run(confs)
    writer = UnitWriter(path)
    for record in [r for records in Store(path).records.values() for r in records][:2]:
        writer._journal.retract([record], "planted")
    said = planned(confs)
    assert (said.fits, said.units, said.recorded) == (2, 2, 4)


def test_what_compiled_and_what_a_copy_came_with_is_no_timing(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    confs = grid(path, "noise.realisations=1", "noise.realisations=1 noise.ratio=2")
    _writer_of.cache_clear()
    run(confs)
    asked = unique([Experiment(conf) for conf in confs])
    (timing,) = recorded(Store(path), asked)
    assert timing.experiment.conf.noise.ratio == 2
    seal(path)
    shutil.copytree(path, tmp_path / "copy.zarr")
    UnitWriter(tmp_path / "copy.zarr")
    assert len(Store(tmp_path / "copy.zarr").records) == 2
    assert recorded(Store(tmp_path / "copy.zarr"), asked) == []


def test_the_size_is_that_of_the_numbers(tmp_path: Path) -> None:
    one = planned(grid(tmp_path / "a.zarr", "noise.realisations=1"))
    more = planned(grid(tmp_path / "a.zarr", "noise.realisations=1 clusters.beta_dust=7"))
    assert more.bytes - one.bytes == 5 * 8
    maps = planned(grid(tmp_path / "a.zarr", "noise.realisations=1 store.maps=float32"))
    assert maps.bytes - one.bytes == 4 * 2 * 192


def experiments(count: int) -> list[Experiment]:
    groups = Groups()
    return [Experiment(small(f"noise.seed={i}"), groups) for i in range(count)]


SIZES = np.random.default_rng(1).integers(1, 2000, (60, 4))


def shapes(experiment: Experiment) -> Geometry:
    pixels, *counts = SIZES[experiment.conf.noise.seed].tolist()
    return Geometry(dict(zip(PARAMETERS, counts, strict=True)), 4, np.arange(pixels), 0)


def test_a_power_law_is_found() -> None:
    law = np.array([0.9, 0.1, 0.6, 0.4])
    everything = experiments(60)
    true = 0.01 * np.exp(np.log(SIZES) @ law)
    few = CostModel([Timing(e, s) for e, s in zip(everything[:3], true, strict=False)], shapes)
    many = CostModel([Timing(e, s) for e, s in zip(everything[:40], true, strict=False)], shapes)
    missed = [abs(m.seconds(everything).sum() / true.sum() - 1) for m in (few, many)]
    assert missed[1] < 0.01 < missed[0] < 0.5
    assert many.error < 0.05 < few.error


def test_the_level_is_that_of_the_times() -> None:
    everything = experiments(30)
    noisy = np.random.default_rng(2).lognormal(0, 1, 30)
    model = CostModel([Timing(e, s) for e, s in zip(everything, noisy, strict=True)], shapes)
    np.testing.assert_allclose(model.seconds(everything).sum(), noisy.sum(), rtol=1e-12)
    assert 0.1 < model.error < 1


def test_each_solver_has_its_own_level() -> None:
    groups = Groups()
    slow = [Experiment(small(f"noise.seed={i}", "solver=optax_lbfgs"), groups) for i in range(4)]
    fast = experiments(4)
    timings = [Timing(e, 5.0) for e in slow] + [Timing(e, 0.1) for e in fast]
    model = CostModel(timings, lambda e: shapes(fast[0]))
    np.testing.assert_allclose(model.seconds([slow[0], fast[0]]), [5.0, 0.1], rtol=0.05)


def test_a_pilot_tries_every_solver_and_then_stops_in_time() -> None:
    groups = Groups()
    asked = [Experiment(small(f"noise.seed={i}"), groups) for i in range(5)]
    asked.append(Experiment(small("solver=optax_lbfgs"), groups))
    tried: list[None] = []
    made = pilot(asked, lambda e: (0,), LocalEngine(0), lambda: tried.append(None), seconds=0.0)
    assert len(tried) == len(made.timings) == 2
    assert {t.experiment.conf.solver.name for t in made.timings} == {"scipy_tnc", "optax_lbfgs"}
    assert made.shapes == 2
    assert all(t.fits == 1 and t.loading > 0 and t.warm > 0 for t in made.trials)


@pytest.mark.parametrize(("each", "expected"), [(25.0, 2), (7.0, 8), (100.0, 1)])
def test_a_pilot_begins_nothing_that_would_end_too_late(
    each: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])

    class Steady(LocalEngine):
        def map(self, function, items):  # noqa: ANN001, ANN202
            for number in range(len(items)):
                clock[0] += each
                yield number, trial(0, 2.0)

    groups = Groups()
    conf = small()
    seeds = [replace(conf, noise=replace(conf.noise, seed=seed)) for seed in range(9)]
    asked = [Experiment(one, groups) for one in seeds]
    made = pilot(asked, lambda e: (0,), Steady(0), lambda: None, seconds=60.0)
    assert len(made.trials) == expected


def test_the_first_trial_of_a_shape_tells_how_long_its_programs_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost, "_loading", {})
    first, second = (try_out((small("solver=newton", f"noise.seed={i}"), (0,))) for i in range(2))
    programs = solver._compile.cache_info()  # pyright: ignore[reportFunctionMemberAccess]
    assert (programs.misses, programs.hits) == (1, 3)  # since they were forgotten, once
    assert first.loading == second.loading > first.warm


def trial(shape: int, loading: float) -> Trial:
    return Trial((shape,), "cpu", fits=1, cold=loading + 2.0, loading=loading, warm=1.0)


def test_programs_are_loaded_by_every_worker_that_needs_them() -> None:
    one = Pilot((trial(0, 2.0), trial(0, 2.0)), ())
    assert (one.shapes, one.compilation) == (1, 3.0)
    assert one.loading(units=10, workers=5) == 5 * 2.0
    two = Pilot((trial(0, 2.0), trial(1, 4.0)), ())
    assert two.loading(units=4, workers=2) == pytest.approx(2 * 2 * 0.75 * 3.0)
    assert two.loading(units=10**4, workers=2) == pytest.approx(2 * 2 * 3.0)


def test_workers_of_the_engine_are_timed(tmp_path: Path) -> None:
    confs = grid(tmp_path / "a.zarr", *POINTS)
    engine = LocalEngine(2)
    said = plan(Request(confs, engine), Progress(None))
    assert said.cost.timed == 3
    assert said.workers == 2
    assert list(tmp_path.iterdir()) == []


def test_a_pilot_that_fails_says_why() -> None:
    class Broken(LocalEngine):
        def map(self, function, items):  # noqa: ANN001, ANN202
            yield 0, Lost("OSError: gone")

    asked = [Experiment(small())]
    with pytest.raises(ConfigError, match="were to be timed failed: OSError: gone"):
        pilot(asked, lambda e: (0,), Broken(0), lambda: None)


def test_the_command_prints_it_and_creates_nothing(tmp_path: Path) -> None:
    words = ["sky.nside=4", "mask.expression=ALL", "clusters.beta_dust=2,3", "clusters.temp_dust=1"]
    words += ["clusters.beta_pl=1", "solver=scipy_tnc", "noise.realisations=2", "plan=true"]
    done = subprocess.run(
        [Path(sys.executable).with_name("sweep"), "-m", *words, "store.path=a.zarr"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = {line[:12].strip(): line[12:].strip() for line in done.stdout.splitlines()}
    assert facts["store"] == str(tmp_path / "a.zarr")
    assert facts["experiments"] == "2"
    assert facts["fits"] == "4 to compute, 0 recorded"
    assert "device hours" in facts["work"]
    assert list(tmp_path.iterdir()) == []


def test_counts_are_known_before_a_fit_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 17, point 8: of a large grid nothing was said before the pilot was over."""
    confs = grid(tmp_path / "a.zarr", "plan=true", "plan=true noise.ratio=2")
    seen = []

    def timed(drawn: list[Experiment], *_: Any) -> Pilot:
        seen.append(capsys.readouterr())
        return Pilot((Trial(("a",), "cpu", 1, 2.0, 0.0, 1.0),), (Timing(drawn[0], 1.0),))

    monkeypatch.setattr(cost, "pilot", timed)
    run_session(Request(confs, LocalEngine(0)))
    (before,) = seen
    told = [line.split()[0] for line in before.out.splitlines()]
    assert told == ["store", "experiments", "fits", "units", "engine", "disk"]
    assert "timing a few fits for the estimate, for about 60 s" in before.err.splitlines()[-1]
    after = capsys.readouterr().out
    assert [line.split()[0] for line in after.splitlines()][:3] == ["work", "programs", "wall"]
