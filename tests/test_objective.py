"""What jobs return to a sweeper that searches, and a study by Optuna's own plugin."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.cli.run import main
from sweep.cli.session import run_session
from sweep.engines import LocalEngine
from sweep.errors import ConfigError
from sweep.session import Request
from sweep.statistics.objective import objective
from sweep.statistics.selection import best
from sweep.testing.small import SMALL, grid, run
from sweep.types import Status as S
from tests.small import exit_status, listing
from tests.statistics.test_summary import dataset
from tests.studies import OPTUNA, STUDY, trials

Command = Callable[..., tuple[int, list[str], str]]
"""Arguments of `sweep -m` to (exit status, lines of standard output, standard error)."""

# the search is over what makes no other shape: one program serves all
SEARCH = ("solver=newton", "noise.realisations=3", "noise.ratio=0.5,0.75,1,1.5,2")
LOCAL = (*STUDY, "hydra.launcher.processes=0")


class Killed(LocalEngine):
    """What an engine is in the tests below: it counts its units, and dies when it was told to."""

    units: list[tuple[float, int]] = []
    dies_at = 0

    def run(self, packages: Any, worker: Any, say: Any = None) -> Any:
        for ended in super().run(packages, worker):
            for outcome in ended:
                ratio = outcome.task.confs[0].noise.ratio
                Killed.units += [(ratio, n) for n in outcome.task.realisations]
            if len(Killed.units) == Killed.dies_at:
                raise KeyboardInterrupt
            yield ended


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> type[Killed]:
    monkeypatch.setattr("sweep.engines.local.LocalEngine", Killed)
    monkeypatch.setattr(Killed, "units", [])
    monkeypatch.setattr(Killed, "dies_at", 0)
    return Killed


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The real command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLALCHEMY_SILENCE_UBER_WARNING", "1")  # Optuna's is an older one

    def called(*arguments: str) -> tuple[int, list[str], str]:
        words = ["sweep", "-m", *SMALL, "store.path=a.zarr", *arguments]
        monkeypatch.setattr(sys, "argv", words)
        capfd.readouterr()
        code = exit_status(main)
        out, err = capfd.readouterr()
        return code, out.splitlines(), err

    return called


@OPTUNA
def test_a_study_of_optuna_searches_in_our_store(command: Command) -> None:
    code, out, err = command(*LOCAL, *SEARCH, "objective=cmb_variance", "hydra.sweeper.n_trials=8")
    assert code == 0, err
    found = trials(Path())
    whole = best(sweep.open("a.zarr"), "cmb_variance")
    told = dict(zip(whole["noise.ratio"], whole["cmb_variance"], strict=True))
    assert found == pytest.approx(told, rel=1e-12)
    assert min(found, key=found.__getitem__) == min(found)  # less noise, less variance
    assert f"best_value: {min(found.values())}" in Path("optimization_results.yaml").read_text()
    lines = [line for line in out if ": cmb_variance " in line]
    assert len(lines) == 8
    assert all(line.split(" ")[1].startswith("noise.ratio=") for line in lines)


@OPTUNA
@pytest.mark.parametrize("after", [1, 5])
def test_a_study_that_was_killed_computes_nothing_twice(
    after: int, command: Command, killed: type[Killed]
) -> None:
    words = (*LOCAL, *SEARCH, "objective=cmb_variance", "hydra.sweeper.n_trials=6")
    killed.dies_at = after
    code, _, err = command(*words)
    assert code == 130, err
    assert len(killed.units) == after
    code, _, err = command(*words)
    assert code == 0, err
    assert len(killed.units) == len(set(killed.units)) == 3 * len(trials(Path()))


@OPTUNA
def test_a_study_of_two_objectives_has_a_front(command: Command) -> None:
    two = ("objective=[cmb_variance,seconds]", "hydra.sweeper.direction=[minimize,minimize]")
    code, _, err = command(*LOCAL, *SEARCH, *two)
    assert code == 2
    assert "objective = ['cmb_variance', 'seconds']: must be some of" in err
    two = ("objective=[cmb_variance,nll]", "hydra.sweeper.direction=[minimize,minimize]")
    code, out, err = command(*LOCAL, *SEARCH, *two, "hydra.sweeper.n_trials=4")
    assert code == 0, err
    assert all(": cmb_variance " in line and ", nll " in line for line in out)
    assert set(trials(Path())) == set(trials(Path(), 1))
    whole = best(sweep.open("a.zarr"), "nll")
    told = dict(zip(whole["noise.ratio"], whole["nll"], strict=True))
    assert trials(Path(), 1) == pytest.approx(told, rel=1e-12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("hydra/sweeper=basic",),
            "hydra/sweeper = basic: it goes on by what jobs return, give objective=cmb_variance, "
            "say; or choose from grid, race",
        ),
        (("objective=beauty",), "objective = 'beauty': must be some of cmb_variance, "),
        (("objective=[]",), "objective = []: must be some of"),
        (("objective=nll,cmb_variance",), "objective cannot be swept: got cmb_variance, nll"),
        (
            ("objective=nll", "hydra/launcher=slurm", "hydra.launcher.wait=false"),
            "hydra.launcher.wait=false: objective has to wait for its jobs",
        ),
        (
            ("objective=nll", "hydra/sweeper=basic", "plan=true"),
            "plan=true: what hydra/sweeper = basic asks for is not known before",
        ),
        (
            ("objective=nll", "hydra/sweeper=race"),
            "objective = nll: a race has its own, hydra.sweeper.metric",
        ),
    ],
)
def test_what_gives_no_objective_is_refused(
    words: tuple[str, ...], message: str, command: Command, tmp_path: Path
) -> None:
    code, out, err = command(*words, "noise.seed=1,2")
    assert (code, out) == (2, [])
    assert err.startswith(f"sweep: {message}")
    assert err.count("\n") == 1
    assert listing(tmp_path) == set()


def test_every_job_returns_the_metric_of_its_realisations(tmp_path: Path) -> None:
    points = [f"solver=newton objective=nll noise.ratio={ratio}" for ratio in (1, 2)]
    confs = grid(tmp_path / "a.zarr", *points, points[0])
    values = run_session(Request(confs, LocalEngine(0), [[], [], []]))
    ds = sweep.open(tmp_path / "a.zarr")
    first = ds["nll"].values.mean(axis=1)[[int(np.argmin(ds["noise.ratio"].values))]]
    assert values[0] == values[2] == pytest.approx(first[0], rel=1e-14)
    assert values[1] != values[0]
    # more realisations of them in the store are of no account
    run(grid(tmp_path / "a.zarr", "solver=newton noise.ratio=1 noise.realisations=4"))
    assert run_session(Request(confs, LocalEngine(0), [[], [], []])) == values


def test_an_experiment_that_cannot_be_ranked_is_infinitely_bad() -> None:
    ds = dataset([[S.CONVERGED] * 4, [S.CONVERGED, *[S.MAX_STEPS] * 3]], [0, 1, 2, 3])
    good, bad = (objective(ds.isel(experiment=[i]), "cmb_variance") for i in (0, 1))
    assert (good.value, good.why) == (1.5, "")
    assert good.error == pytest.approx(np.std([0, 1, 2, 3], ddof=1) / 2)
    assert bad.value == np.inf
    assert bad.why.startswith("fewer than 90 % of the fits converged")


def test_a_metric_that_no_fit_has_is_an_error() -> None:
    ds = dataset([[S.CONVERGED] * 4], [0, 1, 2, 3])
    with pytest.raises(ConfigError, match="objective=residual_variance: no experiment can be rank"):
        objective(ds, "residual_variance")
