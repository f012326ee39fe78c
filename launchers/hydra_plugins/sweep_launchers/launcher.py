"""The launcher: it composes the experiments, and gives them to the command all at once."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from sweep.engines.settings import chosen_engine

from .config import ENGINES  # noqa: F401 (registers their settings)


class SweepLauncher(Launcher):
    """All experiments of a multirun as one session, on whichever engine `hydra/launcher` names.

    Its settings are those of the engine.
    """

    def __init__(self, **settings: Any) -> None:
        del settings  # read where the engine is made, as for a single run

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what composes the experiments, and what runs a session of them."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose every experiment and run a session of all.

        Each job's return value is the identity of its experiment.
        """
        from sweep.config.points import Points
        from sweep.session import Request

        loader: Any = self.hydra_context.config_loader

        def load(overrides: Sequence[str]) -> DictConfig:
            composed = loader.load_sweep_config(self.config, list(overrides))
            with open_dict(composed):
                del composed["hydra"]
            return composed

        point = Points(load, loader.repository.group_exists)
        confs = [point(overrides) for overrides in job_overrides]
        identities = self.task_function(
            Request(confs, chosen_engine(self.config.hydra), job_overrides)
        )
        return [
            JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=identity)
            for overrides, identity in zip(job_overrides, identities, strict=True)
        ]
