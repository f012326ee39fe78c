"""The local engine: in this process, with one worker, with several; and how it meets death."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sweep.engines import ATTEMPTS, Engine, LocalEngine, local
from sweep.errors import ConfigError
from sweep.grid import Outcome
from sweep.testing.contract import POINTS, HandingContract
from sweep.testing.small import arrays, grid, run
from sweep.testing.workers import attempts, jobs, work
from tests.engines.workers import FOREVER, describe, die_always, die_first, end_at_once, pids
from tests.waiting import until

ROOT = Path(__file__).parents[2]


class TestInThisProcess(HandingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return LocalEngine(0)


class TestOneWorker(HandingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return LocalEngine(1)


class TestThreeWorkers(HandingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return LocalEngine(3)


@pytest.mark.parametrize("solver", ["newton", pytest.param("optax_lbfgs", marks=pytest.mark.soak)])
def test_a_block_gives_what_its_realisations_give_alone(solver: str, tmp_path: Path) -> None:
    for block in (1, 4):
        run(grid(tmp_path / f"{block}.zarr", f"{POINTS[0]} solver={solver} fit.block={block}"))
    alone, together = (arrays(tmp_path / f"{block}.zarr") for block in (1, 4))
    np.testing.assert_array_equal(alone["status"], together["status"])
    # cmb_variance was seen to differ by 1.2e-8 on a 2-core x86: the sums of another length are
    # rounded otherwise, and a path of twenty steps that ends short of the minimum amplifies it
    np.testing.assert_allclose(alone["nll"], together["nll"], rtol=1e-10)
    np.testing.assert_allclose(alone["cmb_variance"], together["cmb_variance"], rtol=1e-6)


def alive(processes: Collection[int]) -> set[int]:
    found = set()
    for pid in processes:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.add(pid)
        except psutil.NoSuchProcess:
            pass
    return found


@pytest.mark.parametrize("processes", [1, 3])
def test_a_package_whose_worker_was_killed_is_tried_again(processes: int, tmp_path: Path) -> None:
    packages = jobs(tmp_path, "a", "bad", "b", "c")
    ended = list(LocalEngine(processes).run(packages, die_first))
    assert sorted(ended) == [["done a"], ["done b"], ["done bad"], ["done c"]]
    assert attempts(tmp_path, "bad") == 2


@pytest.mark.parametrize("processes", [1, 3])
def test_a_package_that_always_kills_is_given_up_and_costs_no_other(
    processes: int, tmp_path: Path
) -> None:
    # slow neighbours are killed along with it each time: they must not be given up for it
    names = ["a", "bad", "b", "worse"]
    packages = jobs(tmp_path, *names, seconds=0.4)
    ended = list(LocalEngine(processes).run(packages, die_always))
    done = sorted(e[0] for e in ended if isinstance(e[0], str))
    assert done == ["done a", "done b", "done worse"]
    ((given_up,),) = [e for e in ended if not isinstance(e[0], str)]
    assert isinstance(given_up, Outcome)
    assert given_up.task == "bad"
    assert given_up.statuses == {}
    assert given_up.error == f"its worker died {ATTEMPTS} times (out of memory, or killed)"
    assert attempts(tmp_path, "bad") == ATTEMPTS == 3


def test_two_killers_are_both_given_up_and_the_rest_is_done(tmp_path: Path) -> None:
    packages = jobs(tmp_path, "bad1", "a", "bad2", "b", seconds=0.4)
    ended = [o for e in LocalEngine(2).run(packages, die_always) for o in e]
    assert sorted(o for o in ended if isinstance(o, str)) == ["done a", "done b"]
    assert sorted(str(o.task) for o in ended if isinstance(o, Outcome)) == ["bad1", "bad2"]


def test_closing_the_iterator_ends_the_workers(tmp_path: Path) -> None:
    quick, slow = jobs(tmp_path, "quick"), jobs(tmp_path, "a", "b", seconds=FOREVER)
    running = LocalEngine(3).run([*quick, *slow], work)
    assert next(running) == ["done quick"]
    until(lambda: attempts(tmp_path, "a") + attempts(tmp_path, "b") == 2)
    running.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not alive(pids(tmp_path))


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-m", "tests.engines.workers", tmp_path], cwd=ROOT)
    try:
        until(lambda: len(pids(tmp_path)) == 2)
        assert len(alive(pids(tmp_path))) == 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not alive(pids(tmp_path)))


def test_workers_have_cores_of_their_own_and_no_jax_yet(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0), dict(os.environ)
    packages = jobs(tmp_path, "a", "b", seconds=0.5)
    told: list[Any] = [one for ended in LocalEngine(2).run(packages, describe) for one in ended]
    cores = [set(one["cores"]) for one in told]
    assert set.union(*cores) == os.sched_getaffinity(0)
    if len(os.sched_getaffinity(0)) > 1:
        assert not cores[0] & cores[1]
    assert [int(one["OMP_NUM_THREADS"]) for one in told] == [len(c) for c in cores]
    assert not any(one["jax"] for one in told)
    assert (os.sched_getaffinity(0), dict(os.environ)) == before


def test_a_worker_whose_card_fails_ends_the_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 17, point 2: on made-up cards; there were workers on the cores."""
    monkeypatch.setattr("sweep.engines.devices.find_spec", lambda _: True)
    monkeypatch.setattr("sweep.engines.devices.present", lambda: ["4", "7"])
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    engine = LocalEngine("auto")
    assert engine.workers() == 2
    with pytest.raises(ConfigError, match="accelerator [47] cannot be used by jax"):
        list(engine.run(jobs(tmp_path, "a", "b"), describe))
    assert not pids(tmp_path)


SCRIPT = """
from sweep.engines import LocalEngine
from sweep.testing.workers import jobs, work
print(sorted(LocalEngine(2).run(jobs({folder!r}, "a", "b"), work)))
"""


@pytest.mark.parametrize("stdin", [False, True])
def test_a_script_needs_no_guard_and_no_file(stdin: bool, tmp_path: Path) -> None:
    """Issue 17, point 6: workers ran the script again, and died three times each."""
    script, text = tmp_path / "study.py", SCRIPT.format(folder=str(tmp_path))
    script.write_text(text)
    given: dict[str, Any] = {"input": text} if stdin else {}
    done = subprocess.run(
        [sys.executable, "-" if stdin else script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **given,
    )
    assert (done.stdout, done.stderr) == ("[['done a'], ['done b']]\n", "")


def test_workers_that_do_not_start_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_start_worker", end_at_once)
    with pytest.raises(ConfigError, match="worker processes end before they start"):
        list(LocalEngine(1).run(jobs(tmp_path, "a"), work))
    assert attempts(tmp_path, "a") == 0


@pytest.mark.parametrize("processes", [-1, 1.5, "many", None])
def test_a_number_of_workers_that_is_none_is_refused(processes: object) -> None:
    with pytest.raises(
        ConfigError, match=r"hydra.launcher.processes = .*: must be auto, or an int"
    ):
        LocalEngine(processes)
