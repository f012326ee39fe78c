"""The launcher: it composes the experiments, and gives them to the command all at once."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from sweep.engines.settings import SWEEPERS, chosen_engine
from sweep.errors import ConfigError

from .config import ENGINES  # noqa: F401 (registers their settings)

if TYPE_CHECKING:
    from sweep.session import Rules

_OF_A_POINT = {"hydra": ("overrides", "runtime", "mode"), "job": ("override_dirname", "id", "num")}
"""What Hydra fills in by itself, for each point."""


class SweepLauncher(Launcher):
    """All experiments of a multirun as one session, on whichever engine `hydra/launcher` names.

    To Hydra it is one job, so that `hydra.job`, `hydra.sweep` and callbacks mean what they do in
    a single run. Its settings are those of the engine.
    """

    def __init__(self, **settings: Any) -> None:
        del settings  # read where the engine is made, as for a single run

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what composes the experiments, and what runs a session of them.

        Raises:
            ConfigError: the sweeper is another's, which waits for a number of each job, and there
                will be none.
        """
        sweeper = config.hydra.runtime.choices["hydra/sweeper"]
        if sweeper not in SWEEPERS:
            _check_searches(f"hydra/sweeper = {sweeper}", config)
        if config.objective is not None:
            _check_waits("objective", config, "what jobs return is measured")
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        self._number = 0  # of the point that is composed
        self._rules: Rules | None = None

    def race(self, rules: "Rules") -> None:
        """Run the session as a race.

        Raises:
            ConfigError: jobs are not to be waited for, or there is an objective besides.
        """
        _check_waits("a race", self.config, "each round shows who goes on")
        if self.config.objective is not None:
            raise ConfigError(
                f"objective = {self.config.objective}: a race has its own, hydra.sweeper.metric"
            )
        self._rules = rules

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose every experiment and run a session of all.

        Each job's return value is the identity of its experiment, or its objective.

        Raises:
            ConfigError: an experiment cannot be used, or its files have settings of Hydra of
                their own.
        """

        def session(_: DictConfig) -> Any:
            # here: `hydra.job.env_set` comes before them
            from sweep.cli.tables import console
            from sweep.config.points import Points
            from sweep.progress import Progress
            from sweep.session import Request

            loader: Any = self.hydra_context.config_loader
            point = Points(self._loading(loader), loader.repository.group_exists)
            confs = []
            with Progress(console(stderr=True)).composing(len(job_overrides)) as composed:
                for number, overrides in enumerate(job_overrides):
                    self._number = number
                    confs.append(point(overrides))
                    composed()
            return self.task_function(
                Request(confs, chosen_engine(self.config.hydra), job_overrides, self._rules)
            )

        done = run_job(
            session,
            self.config,
            "hydra.sweep.dir",
            "hydra.sweep.subdir",
            hydra_context=self.hydra_context,
        )
        if done.status is JobStatus.FAILED:
            raise done._return_value  # not as `return_value`, which prints a line of its own
        return [
            JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=value)
            for overrides, value in zip(job_overrides, done.return_value, strict=True)
        ]

    def _loading(self, loader: Any) -> Callable[[Sequence[str]], DictConfig]:
        """Hydra's composition of one point, whose resolvers know of it and of one time for all."""
        from sweep.config.compose import take_out_hydra
        from sweep.config.points import head

        alike, last = _settings(self.config), self.config

        def load(overrides: Sequence[str]) -> DictConfig:
            nonlocal last
            composed = loader.load_sweep_config(self.config, list(overrides))
            choices = [o for o in overrides if loader.repository.group_exists(head(o))]
            _refuse_own_settings(_settings(composed), alike, choices)
            OmegaConf.copy_cache(last, composed)  # what `${now:...}` gave
            with open_dict(composed):
                composed.hydra.job.update(id=str(self._number), num=self._number)
                composed.hydra.runtime.output_dir = self.config.hydra.runtime.output_dir
            take_out_hydra(composed)
            last = composed
            return composed

        return load


def _check_searches(sweeper: str, config: DictConfig) -> None:
    """A sweeper of another's gets from a session what it goes on by."""
    if config.objective is None:
        raise ConfigError(
            f"{sweeper}: it goes on by what jobs return, give objective=cmb_variance, say; or "
            f"choose from {', '.join(SWEEPERS)}"
        )
    if config.plan:
        raise ConfigError(f"plan=true: what {sweeper} asks for is not known before; leave it out")


def _check_waits(asked: str, config: DictConfig, why: str) -> None:
    if not config.hydra.launcher.get("wait", True):
        raise ConfigError(
            f"hydra.launcher.wait=false: {asked} has to wait for its jobs, as {why}; leave one of "
            "them out"
        )


def _settings(composed: DictConfig) -> dict[str, Any]:
    """What was said of Hydra itself, {key: value}."""
    hydra: Any = OmegaConf.to_container(composed.hydra, resolve=False)
    said = {k: v for k, v in hydra["runtime"]["choices"].items() if k.startswith("hydra/")}
    for group, values in hydra.items():
        if group in _OF_A_POINT["hydra"]:
            continue
        if not isinstance(values, dict):
            said[f"hydra.{group}"] = values
            continue
        known = _OF_A_POINT.get(group, ())
        said |= {f"hydra.{group}.{k}": v for k, v in values.items() if k not in known}
    return said


def _refuse_own_settings(
    own: dict[str, Any], alike: dict[str, Any], choices: Sequence[str]
) -> None:
    """One session has one launcher and one grid: swept files cannot each have theirs."""
    for key in {**alike, **own}:
        if own.get(key) != alike.get(key):
            raise ConfigError(
                f"{key} is set by a file of {' '.join(choices)}, and settings of Hydra cannot be "
                "swept: run `sweep -m` once for each of these files"
            )
