"""`hydra/launcher=local`: the default, processes on this machine."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from .config import LocalLauncherConf  # noqa: F401 (registers the settings)


class LocalLauncher(Launcher):
    """All experiments of a multirun as one launch of the local engine."""

    def __init__(self, processes: Any) -> None:
        self.processes = processes

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what composes the experiments."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose every experiment, check all of them, then run what is missing."""
        from sweep.engines import LocalEngine

        from ._launch import launch_jobs

        return launch_jobs(
            self.hydra_context, self.config, job_overrides, LocalEngine(self.processes)
        )
