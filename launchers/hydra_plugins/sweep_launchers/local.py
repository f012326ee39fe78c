"""`hydra/launcher=local`: the default, processes on this machine."""

from typing import Any

from sweep.engines import Engine

from ._launch import SweepLauncher
from .config import LocalLauncherConf  # noqa: F401 (registers the settings)


class LocalLauncher(SweepLauncher):
    """One worker an accelerator, or a core."""

    def __init__(self, processes: Any) -> None:
        self.processes = processes

    def engine(self) -> Engine:
        """See `SweepLauncher.engine`."""
        from sweep.engines import LocalEngine

        return LocalEngine(self.processes)
