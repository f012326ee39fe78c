"""`hydra/launcher=slurm`: job arrays through submitit."""

from typing import Any

from omegaconf import OmegaConf

from sweep.engines import Engine

from ._launch import SweepLauncher
from .config import SlurmLauncherConf  # noqa: F401 (registers the settings)


class SlurmLauncher(SweepLauncher):
    """All experiments of a multirun as one launch, packed into job arrays."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def engine(self) -> Engine:
        """See `SweepLauncher.engine`."""
        from sweep.engines.slurm import SlurmEngine, SlurmSettings

        plain = OmegaConf.to_container(OmegaConf.create(self.settings))
        assert isinstance(plain, dict)
        return SlurmEngine(SlurmSettings(**{str(k): v for k, v in plain.items()}))
