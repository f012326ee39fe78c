"""What experiment files and the command say of Hydra itself: it counts, or is refused by name."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.experimental.callback import Callback

from sweep.cli.run import main
from sweep.session import Request
from tests.small import exit_status, listing

Command = Callable[..., tuple[list[Any], int, str]]
"""Arguments of `sweep` to (what each session was given and saw, exit status, standard error)."""

FILES = {
    "ours": "defaults:\n  - override /hydra/launcher: mpi",
    "two": "hydra: {sweeper: {params: {clusters.beta_dust: '2,3'}}}",
    "three": "hydra: {sweeper: {params: {clusters.beta_dust: '2,3,4'}}}",
    "named": "hydra: {job: {name: mine}}",
    "plain": "noise: {ratio: 2}",
    "cwd": "store: {path: '${hydra:runtime.cwd}/c.zarr'}\nsky: {seed: '${hydra:job.num}'}",
    "now": "store: {path: 'runs/${now:%H-%M-%S-%f}.zarr'}",
    "env": "hydra: {job: {env_set: {SKYSWEEP_CACHE: elsewhere}}}",
    "callback": "hydra: {callbacks: {told: {_target_: tests.config.test_hydra_settings.Told}}}",
}


LAUNCHERS = {
    "mycluster": "defaults: [slurm]\naccount: mine\ncpus_per_task: 8\n",
    "bare": "account: mine\n",
    "typo": "defaults: [slurm]\nacount: mine\n",
}


class Told(Callback):
    """Notes the jobs that Hydra tells of."""

    jobs = 0

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        del config, kwargs
        Told.jobs += 1


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The real command in a folder with `FILES` and `LAUNCHERS`, up to what it would compute."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "experiment").mkdir(parents=True)
    for name, text in FILES.items():
        file = tmp_path / "studies" / "experiment" / f"{name}.yaml"
        file.write_text(f"# @package _global_\n{text}\n")
    (tmp_path / "studies" / "hydra" / "launcher").mkdir(parents=True)
    for name, text in LAUNCHERS.items():
        (tmp_path / "studies" / "hydra" / "launcher" / f"{name}.yaml").write_text(text)
    before = listing(tmp_path)
    sessions: list[Any] = []

    def run_session(request: Request) -> tuple[str, ...]:
        sessions.append((request, os.environ.get("SKYSWEEP_CACHE"), os.getcwd()))
        return ("0",) * len(request.confs)

    monkeypatch.setattr("sweep.cli.session.run_session", run_session)

    def run(*arguments: str) -> tuple[list[Any], int, str]:
        monkeypatch.setattr(sys, "argv", ["sweep", "--config-dir", "studies", *arguments])
        sessions.clear()
        capfd.readouterr()
        if code := exit_status(main):
            assert listing(tmp_path) == before
        return sessions, code, capfd.readouterr().err

    return run


def session(found: tuple[list[Any], int, str]) -> Any:
    sessions, code, err = found
    assert (code, err) == (0, "")
    (one,) = sessions
    return one


def refusal(found: tuple[list[Any], int, str]) -> str:
    sessions, code, err = found
    assert (sessions, code) == ([], 2), err
    assert err.startswith("sweep: ")
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("swept", [[], ["-m", "noise.seed=1,2"]])
def test_an_experiment_file_chooses_the_launcher(swept: list[str], command: Command) -> None:
    request, *_ = session(command(*swept, "+experiment=ours"))
    assert request.engine.name == "mpi"
    request, *_ = session(command(*swept, "+experiment=ours", "hydra/launcher=local"))
    assert request.engine.name == "local"


@pytest.mark.parametrize("swept", [[], ["-m", "noise.seed=1,2"]])
def test_a_launcher_of_the_users_is_based_on_one_of_ours(
    swept: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    request, *_ = session(command(*swept, "hydra/launcher=mycluster", "hydra.launcher.qos=long"))
    settings = request.engine.settings
    assert request.engine.name == "slurm"
    assert (settings.account, settings.cpus_per_task, settings.qos) == ("mine", 8, "long")
    err = refusal(command(*swept, "hydra/launcher=bare"))
    assert "bare: must be one of local, mpi, slurm, or a file that begins" in err
    assert "acount" in refusal(command(*swept, "hydra/launcher=typo"))


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ("two,three", "hydra.sweeper.params is set by a file of +experiment=two"),
        ("plain,two", "hydra.sweeper.params is set by a file of +experiment=two"),
        ("plain,ours", "hydra/launcher is set by a file of +experiment=ours"),
        ("named,plain", "hydra.job.name is set by a file of +experiment=named"),
        ("env,plain", "hydra.job.env_set is set by a file of +experiment=env"),
    ],
)
def test_swept_files_cannot_each_set_hydra(files: str, key: str, command: Command) -> None:
    """Their grids were dropped, and the defaults computed."""
    err = refusal(command("-m", f"+experiment={files}"))
    assert f"{key}, and settings of Hydra cannot be swept: run `sweep -m` once for each" in err


def test_resolvers_mean_in_a_sweep_what_they_do_in_a_single_run(
    command: Command, tmp_path: Path
) -> None:
    request, *_ = session(command("-m", "+experiment=cwd", "noise.seed=5,6,7"))
    assert {conf.store.path for conf in request.confs} == {str(tmp_path / "c.zarr")}
    assert [conf.sky.seed for conf in request.confs] == [0, 1, 2]
    request, *_ = session(command("-m", "+experiment=now", "noise.seed=5,6,7", "noise.ratio=1,2"))
    assert len({conf.store.path for conf in request.confs}) == 1


@pytest.mark.parametrize("swept", [[], ["-m", "noise.seed=1,2"]])
def test_jobs_have_their_environment_and_folder(
    swept: list[str], command: Command, tmp_path: Path
) -> None:
    before = os.environ["SKYSWEEP_CACHE"]
    request, cache, _ = session(command(*swept, "+experiment=env"))
    assert cache == "elsewhere"
    assert {conf.store.cache for conf in request.confs} == {str(tmp_path / "elsewhere")}
    assert os.environ["SKYSWEEP_CACHE"] == before
    folders = ["hydra.run.dir=out", "hydra.sweep.dir=out", "hydra.job.chdir=true"]
    request, _, folder = session(command(*swept, *folders, "store.path=a.zarr"))
    assert folder == str(tmp_path / "out")
    assert {conf.store.path for conf in request.confs} == {str(tmp_path / "out" / "a.zarr")}


def test_an_environment_that_ranks_would_not_have_is_refused(command: Command) -> None:
    err = refusal(command("-m", "+experiment=env", "hydra/launcher=mpi"))
    assert "hydra.job.env_set.SKYSWEEP_CACHE would not reach the other ranks" in err


@pytest.mark.parametrize("swept", [[], ["-m", "noise.seed=1,2"]])
def test_callbacks_are_told_of_one_job(swept: list[str], command: Command) -> None:
    from tests.config.test_hydra_settings import Told  # as Hydra imports it

    Told.jobs = 0
    session(command(*swept, "+experiment=callback"))
    assert Told.jobs == 1


@pytest.mark.parametrize("swept", [[], ["-m", "noise.seed=1,2"]])
@pytest.mark.parametrize("choice", ["basic", "theirs"])
def test_launchers_of_others_are_no_choice(choice: str, swept: list[str], command: Command) -> None:
    """Each point ran by itself or not at all, with exit status 0."""
    node = {"_target_": "hydra_plugins.theirs.Theirs"}
    ConfigStore.instance().store(group="hydra/launcher", name="theirs", node=node)
    err = refusal(command(*swept, f"hydra/launcher={choice}"))
    ours = "bare, local, mpi, mycluster, slurm, typo"
    assert f"unknown hydra/launcher `{choice}`; choose from {ours}" in err


def test_without_optunas_plugin_it_is_said_how_to_get_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices: Any = ConfigStore.instance().repo["hydra"]
    without = {k: v for k, v in choices["sweeper"].items() if k != "optuna.yaml"}
    monkeypatch.setitem(choices, "sweeper", without)
    err = refusal(command("-m", "hydra/sweeper=optuna", "objective=nll", "noise.seed=1,2"))
    assert "hydra/sweeper=optuna needs Optuna's plugin, which is not here: " in err
    assert "-m pip install " in err


def test_a_race_is_asked_for_with_its_rules(command: Command) -> None:
    words = ("-m", "hydra/sweeper=race", "hydra.sweeper.first=7", "noise.seed=1,2")
    request, *_ = session(command(*words))
    assert request.race is not None
    assert (request.race.first, request.race.metric) == (7, "cmb_variance")
    request, *_ = session(command("-m", "noise.seed=1,2"))
    assert request.race is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("hydra/launcher=slurm", "hydra.launcher.wait=false"),
            "hydra.launcher.wait=false: a race has to wait for its jobs",
        ),
        (("hydra.sweeper.first=1",), "hydra.sweeper.first = 1: must be at least 3"),
        (("hydra.sweeper.metric=beauty",), "hydra.sweeper.metric = beauty: must be one of"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused(
    words: tuple[str, ...], message: str, command: Command
) -> None:
    err = refusal(command("-m", "hydra/sweeper=race", *words, "noise.seed=1,2"))
    assert message in err
