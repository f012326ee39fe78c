"""`hydra/launcher=mpi`: the ranks of one MPI job, started by mpiexec or srun."""

from sweep.engines import Engine

from ._launch import SweepLauncher
from .config import MpiLauncherConf  # noqa: F401 (registers the settings)


class MpiLauncher(SweepLauncher):
    """All experiments of a multirun as one launch, handed out to the other ranks."""

    def engine(self) -> Engine:
        """See `SweepLauncher.engine`."""
        from sweep.engines.mpi import MpiEngine

        return MpiEngine()
