"""A launch computes what is missing, whatever happened before: reruns, growth, failures, kills."""

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import sweep
from sweep.cli.run import main
from sweep.cli.session import run_session
from sweep.engines import Engine, LocalEngine
from sweep.errors import ConfigError, IncompleteError
from sweep.grid import Outcome
from sweep.progress import Progress
from sweep.session import Request, launch
from sweep.statistics.failures import failure_lines
from sweep.store import Store, publish, verify
from sweep.testing.small import SMALL, arrays, assert_same_results, grid, run, small
from sweep.types import Status
from tests.small import write_templates

BIN = Path(sys.executable).parent

ALL = ("noise.ratio=1 noise.realisations=6", "noise.ratio=2 noise.realisations=6")
SWEPT = [*SMALL, "noise.ratio=1,2", "noise.realisations=6"]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the launches here have to end with: two experiments, six realisations."""
    path = tmp_path_factory.mktemp("undisturbed") / "a.zarr"
    run(grid(path, *ALL))
    return path


def test_a_finished_launch_has_everything_recorded(undisturbed: Path) -> None:
    assert verify(undisturbed).clean
    found = arrays(undisturbed)
    assert found["status"].shape == (2, 6)
    assert all(Status(code).usable for code in found["status"].flat)
    assert np.isfinite(found["cmb_variance"]).all()
    assert found["realisation"].tolist() == list(range(6))
    (segment,) = Store(undisturbed).segments.values()
    assert segment.provenance["versions"]["jax"]


def test_launched_again_it_computes_nothing_and_says_so(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in undisturbed.parent.rglob("*")}
    done = run(grid(undisturbed, *ALL))
    assert done.outcomes == ()
    assert (done.total, done.missing) == (12, 0)

    monkeypatch.chdir(tmp_path)
    words = ["-m", *SWEPT, f"store.path={undisturbed}", "hydra.launcher.processes=0"]
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    main()
    out = capsys.readouterr().out
    assert f"nothing to do: all 12 units are recorded in {undisturbed}" in out
    assert {p: p.stat().st_mtime_ns for p in undisturbed.parent.rglob("*")} == before
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_grew_is_the_store_made_at_once(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    steps = [
        (["noise.ratio=1 noise.realisations=2"], 2),
        (["noise.ratio=1 noise.realisations=5"], 3),
        (["noise.ratio=2 noise.realisations=3"], 3),
        (list(ALL), 4),
    ]
    for points, computed in steps:
        assert len(run(grid(path, *points)).outcomes) == computed
    assert verify(path).clean
    assert_same_results(path, undisturbed, rtol=1e-12)
    assert len(Store(path).units()) == 12  # none twice


def test_units_of_several_experiments_hold_the_same(undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    words = "fit.experiments=2 fit.block=2"
    part = run(grid(path, *(f"{point} {words}" for point in ALL), "noise.ratio=3"))
    assert len(part.outcomes) == 3 + 2
    assert [sum(o.statuses.values()) for o in part.outcomes] == [4, 4, 4, 1, 1]
    ds = sweep.open(path)
    first = ds.isel(experiment=[0, 1]).sortby("identity")
    for name in ("nll", "cmb_variance", "beta_dust"):
        np.testing.assert_allclose(first[name], arrays(undisturbed)[name], rtol=1e-10)
    # a part of the grid is there already
    assert run(grid(path, f"{ALL[1]} {words}")).outcomes == ()


def test_a_solver_can_be_added_later(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, "noise.realisations=2"))
    before = arrays(path)
    done = run(grid(path, "noise.realisations=2", "noise.realisations=2 solver=scipy_cobyqa"))
    assert len(done.outcomes) == 2
    ds = sweep.open(path)
    assert ds["solver"].values.tolist() == ["scipy_tnc", "scipy_cobyqa"]
    kept = ds.isel(experiment=[0])
    for name in ("nll", "cmb_variance", "status"):
        np.testing.assert_array_equal(kept[name], before[name])
    # realisations are the same noise in every experiment, so that solvers meet the same problem
    np.testing.assert_allclose(ds["nll"][0], ds["nll"][1], rtol=1e-3)


def test_a_noise_free_slot_can_be_added_later(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, "noise.realisations=1"))
    assert len(run(grid(path, "noise.realisations=1 noise.noiseless=true")).outcomes) == 1
    assert sweep.open(path)["realisation"].values.tolist() == [-1, 0]


def test_duplicates_are_dropped_with_a_line(undisturbed: Path) -> None:
    console = Console(record=True, file=io.StringIO(), width=160)
    points = [ALL[0], ALL[0], ALL[1], f"{ALL[0]} fit.block=2"]
    done = launch(Request(grid(undisturbed, *points), LocalEngine(0)), Progress(console))
    assert "2 duplicate experiments dropped" in console.export_text()
    assert len(done.identities) == 4
    assert len(set(done.identities)) == 2
    assert done.total == 12


def test_one_launch_has_one_store(tmp_path: Path) -> None:
    confs = [small(store=tmp_path / "a.zarr"), small(store=tmp_path / "b.zarr")]
    with pytest.raises(ConfigError, match="store.path cannot be swept: got .*a.zarr, .*b.zarr"):
        run(confs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["plan=true", "fail_fast=true", "store.maps=float32"])
def test_what_is_of_the_launch_is_the_same_for_all(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigError, match=f"{word.split('=')[0]} cannot be swept: got .*; give"):
        run(grid(tmp_path / "a.zarr", "noise.ratio=1", f"noise.ratio=2 {word}"))
    assert list(tmp_path.iterdir()) == []


def test_the_second_experiment_is_checked_before_the_first_is_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="200 clusters, 192 pixels"):
        run(grid(tmp_path / "a.zarr", "noise.ratio=1", "clusters.beta_dust=200"))
    assert list(tmp_path.iterdir()) == []


class Planted(Engine):
    """Fails the given units without a try."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.computed = bad, 0

    def workers(self) -> int:
        return 1

    def run(self, packages: Any, worker: Any, say: Any = None) -> Iterator[list[Outcome]]:
        for number, package in enumerate(packages):
            if number in self.bad:
                yield [Outcome(task, {}, f"planted {number}") for task in package.tasks]
            else:
                self.computed += 1
                yield worker(package)


def test_by_default_a_launch_carries_on_after_a_failure(tmp_path: Path) -> None:
    engine = Planted(1)
    done = run(grid(tmp_path / "a.zarr", "noise.realisations=4"), engine)
    assert engine.computed == 3
    assert [o.error for o in done.failed] == ["planted 1"]
    assert (len(done.outcomes), done.total, done.missing) == (4, 4, 1)
    assert len(run(grid(tmp_path / "a.zarr", "noise.realisations=4")).outcomes) == 1


def test_fail_fast_stops_at_the_first(tmp_path: Path) -> None:
    engine = Planted(1)
    conf = grid(tmp_path / "a.zarr", "noise.realisations=4 fail_fast=true")
    done = run(conf, engine)
    assert engine.computed == 1
    assert (len(done.outcomes), done.missing) == (2, 3)
    done = run(conf, Planted(1))  # of the three that are missing, the second fails again
    assert (len(done.outcomes), done.total, done.missing) == (2, 4, 2)


@pytest.mark.parametrize(("fail_fast", "missing"), [("false", 1), ("true", 2)])
def test_a_failed_unit_ends_the_command_with_status_4(
    fail_fast: str, missing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import sweep.worker as worker

    fit = worker.fit_experiment

    def failing(conf: Any, realisations: tuple[int, ...]) -> Any:
        if 1 in realisations:
            raise OSError("the planted\nfault")
        return fit(conf, realisations)

    monkeypatch.setattr(worker, "fit_experiment", failing)
    monkeypatch.chdir(tmp_path)
    words = [*SMALL, "noise.realisations=3", f"fail_fast={fail_fast}", "store.path=a.zarr"]
    monkeypatch.setattr(sys, "argv", ["sweep", *words, "hydra.launcher.processes=0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(
        f"sweep: 1 units failed, of {missing} missing: OSError: the planted fault"
    )
    assert len(Store(tmp_path / "a.zarr").pending_units()) == missing

    monkeypatch.setattr(worker, "fit_experiment", fit)
    main()  # the same command again
    assert not Store(tmp_path / "a.zarr").pending_units()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "a.zarr.sweep"]


def test_a_launch_says_every_kind_of_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Planted):
        def run(self, packages: Any, worker: Any, say: Any = None) -> Iterator[list[Outcome]]:
            for number, package in enumerate(packages):
                said = f"disk {number} is full" if number else "no memory"
                yield [Outcome(task, {}, said, died=True) for task in package.tasks]

    with pytest.raises(IncompleteError, match="3 units failed, of 3 missing: 2 kinds of errors; "):
        run_session(Request(grid(tmp_path / "a.zarr", "noise.realisations=3"), Broken()))
    err = capsys.readouterr().err.splitlines()
    assert err[-2:] == ["failed: 2 units: disk # is full", "failed: 1 units: no memory"]
    kinds = failure_lines(Store(tmp_path / "a.zarr"))
    assert [line.split(" (")[0] for line in kinds] == [
        "failed: 2 times, 2 units: RuntimeError: disk # is full",
        "failed: 1 times, 1 units: RuntimeError: no memory",
    ]


def test_damage_costs_its_unit_only(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    confs = grid(path, "noise.realisations=3")
    run(confs)
    before = arrays(path)
    segment = next(iter(Store(path).segments.values()))
    unit = list(segment.units())[1]
    segment.chunk_file(unit, "nll").write_bytes(b"damaged")
    assert [d.unit for d in verify(path).damage] == [unit]
    done = run(confs)
    assert [o.task.unit for o in done.outcomes] == [unit]
    assert verify(path).clean
    for name, values in arrays(path).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


# -- the real command, killed and raced -------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path) -> Callable[[], Any]:
    """Starts the real command on a store in `tmp_path`, in a folder of its own."""
    (tmp_path / "cwd").mkdir()

    def start(*more: str) -> subprocess.Popen[str]:
        words = [*SWEPT, f"store.path={tmp_path / 'a.zarr'}", "hydra.launcher.processes=2", *more]
        return subprocess.Popen(
            [BIN / "sweep", "-m", *words],
            cwd=tmp_path / "cwd",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def recorded(path: Path) -> int:
    return len(Store(path).done_units()) if (path / "zarr.json").exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "nth", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 17))]
)  # 3 kills, and 48
def test_kill_9_at_any_time_loses_only_what_was_in_flight(
    nth: int, command: Callable[..., Any], undisturbed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    rng = random.Random(int.from_bytes(os.urandom(4), "big"))
    # once while the store is made, then after some more units each time
    for goal in (None, rng.randint(1, 3), rng.randint(1, 3)):
        process = command()
        already = recorded(path)
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if goal is None and (tmp_path / "a.zarr.sweep").exists():
                break
            if goal is not None and recorded(path) >= min(already + goal, 11):
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert recorded(path) >= already  # nothing that was recorded is lost
        if path.exists():
            assert verify(path).clean
    process = command()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert verify(path).clean
    assert not Store(path).pending_units()
    assert "cmb_variance" in out
    # statuses and counts equal (np.array_equal), numbers within 1e-12
    assert_same_results(path, undisturbed, rtol=1e-12)
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.slow
def test_two_launches_at_once_share_a_new_store(
    command: Callable[..., Any], undisturbed: Path, tmp_path: Path
) -> None:
    both = [command(), command()]
    ended = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    path = tmp_path / "a.zarr"
    assert verify(path).clean
    assert not Store(path).pending_units()
    assert_same_results(path, undisturbed, rtol=1e-12)


def test_a_launch_killed_before_it_sealed_is_sealed_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    with monkeypatch.context() as patch:
        patch.setattr("sweep.session.launching.seal", lambda path: None)
        run([small(store=path)])
    assert sealed_units(path) == 0
    run([small(store=path)])
    assert sealed_units(path) == 2


def test_maps_asked_for_after_the_fits_are_missed_aloud(tmp_path):
    said = io.StringIO()
    progress = Progress(Console(file=said, width=200))
    launch(Request([small(store=tmp_path / "a.zarr")], LocalEngine(0)), progress)
    assert "is asked for" not in said.getvalue()
    again = small("store.maps=float32", store=tmp_path / "a.zarr")
    launch(Request([again], LocalEngine(0)), progress)
    assert said.getvalue().count("`cmb` is asked for") == 1


def sealed_units(path: Path) -> int:
    """Number of units that a copy without journals would show."""
    return sum(len(segment.sealed_units()) for segment in Store(path).segments.values())


def test_a_store_made_anew_ignores_the_journals_of_the_deleted_one(tmp_path):
    path = tmp_path / "a.zarr"
    for _ in range(2):
        run([small(store=path)])
        assert verify(path).clean
        assert sum(sum(r.statuses.values()) for (r,) in Store(path).records.values()) == 2
        shutil.rmtree(path)


def test_a_file_that_changes_during_the_launch_fails_its_unit(tmp_path, monkeypatch):
    templates, path = tmp_path / "sky.npz", tmp_path / "a.zarr"
    write_templates(templates)
    conf = small("sky=templates", f"sky.path={templates}", store=path)
    run([conf])
    wider = small("sky=templates", f"sky.path={templates}", "noise.realisations=3", store=path)
    real = publish

    def publish_then_edit(store, spec):
        real(store, spec)
        write_templates(templates, dust_nu0=300.0)

    monkeypatch.setattr("sweep.session.launching.publish", publish_then_edit)
    done = run([wider])
    assert [o.error for o in done.failed] == [
        "ConfigError: an input file changed since the launch: run the same command again"
    ]
