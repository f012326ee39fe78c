"""What every launcher does: compose the jobs, launch them together, answer Hydra."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from sweep.engines import Engine


class SweepLauncher(Launcher):
    """All experiments of a multirun as one launch of an engine."""

    @abstractmethod
    def engine(self) -> Engine:
        """What computes; imported here, since Hydra imports every plugin at its start."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what composes the experiments."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Compose every experiment, check all of them, then run what is missing.

        Each job's return value is the identity of its experiment.
        """
        from sweep.cli.session import run_session
        from sweep.config.points import Points

        loader: Any = self.hydra_context.config_loader

        def load(overrides: Sequence[str]) -> DictConfig:
            composed = loader.load_sweep_config(self.config, list(overrides))
            with open_dict(composed):
                del composed["hydra"]
            return composed

        point = Points(load, loader.repository.group_exists)
        confs = [point(overrides) for overrides in job_overrides]
        identities = run_session(confs, self.engine(), overrides=job_overrides)
        return [
            JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=identity)
            for overrides, identity in zip(job_overrides, identities, strict=True)
        ]
