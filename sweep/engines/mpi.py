"""Ranks of an MPI job: rank 0 launches and hands out, the others take a package as they get free.

Everything is mpi4py.futures; this says who serves, and which share of its node a rank takes.
"""

import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from sweep.alarms import without_alarms
from sweep.engines.base import Engine, Item, Lost, Result
from sweep.engines.devices import share
from sweep.errors import ConfigError
from sweep.install import install

_SIZES = (
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MPI_LOCALNRANKS",
    "MV2_COMM_WORLD_SIZE",
    "FLUX_JOB_SIZE",
)
"""Variables by which launchers of MPI ranks tell how many there are."""

_STEP_SIZES = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
"""The same of srun; of less weight, as mpiexec may start its daemons by srun, one a node."""

_PASSED_ON = 1.0
"""Seconds in which mpiexec passes on what a rank has said: it drops the rest at an abort."""

_pool: Any = None
"""The executor of this job, on rank 0 between `ranks` and its end."""


def rank_count() -> int:
    """Number of ranks or tasks that this process was started as one of; 1 where it was not."""
    told = [int(os.environ[name]) for name in _SIZES if name in os.environ]
    if not told and "SLURM_STEP_ID" in os.environ:  # without it, a batch script has SLURM_NTASKS
        told = [int(os.environ[name]) for name in _STEP_SIZES if name in os.environ][:1]
    return max(told, default=1)


@contextmanager
def ranks() -> Iterator[bool]:
    """Join the ranks of the job: true on rank 0, which launches; the others serve it, then false.

    Raises:
        ConfigError: mpi4py is not installed, or it does not connect the ranks: each would take
            itself for the only one, and run everything.
    """
    global _pool
    if find_spec("mpi4py") is None:
        raise ConfigError(
            f"hydra/launcher=mpi needs mpi4py: {install('mpi')}, or on a cluster mpi4py only"
        )
    with warnings.catch_warnings():
        # of an environment that looks strange: it is looked at below
        warnings.simplefilter("ignore", RuntimeWarning)
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor

    comm = MPI.COMM_WORLD
    if comm.Get_size() == 1:
        if (count := rank_count()) > 1:
            library = MPI.Get_library_version().split("\n")[0].split(",")[0]
            raise ConfigError(
                f"hydra/launcher=mpi: started as one of {count}, but MPI sees this one alone: "
                f"start them by the mpiexec of mpi4py's MPI ({' '.join(library.split())}), or by "
                "srun with --mpi=pmi2 or pmix"
            )
        yield True
        return
    try:
        # mpiexec would put them into the terminal
        with without_alarms(always=True):
            _occupy_slot(comm)
            with MPICommExecutor(comm, root=0) as pool:
                if pool is not None:
                    _pool = pool
                    yield True
        if comm.Get_rank() > 0:
            yield False
    except Exception:
        if comm.Get_rank() == 0:
            raise  # the others have been released by then
        sys.stderr.write(traceback.format_exc())
        sys.stderr.flush()
        time.sleep(_PASSED_ON)
        comm.Abort(1)  # or all would wait for this rank
    finally:
        _pool = None


def _occupy_slot(comm: Any) -> None:
    """Share the node between its serving ranks, unless the launcher of the ranks did."""
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    serving = comm.Get_rank() > 0
    number = node.scan(int(serving)) - 1
    count = node.allreduce(int(serving))
    masks = set(node.allgather(tuple(sorted(os.sched_getaffinity(0)))))
    if serving:
        share(number, count, bound=len(masks) > 1).take()


class MpiEngine(Engine):
    """The other ranks of this job; alone, this process."""

    name = "mpi"

    def workers(self) -> int:
        """See `Engine.workers`."""
        return _pool.num_workers if _pool is not None else 1

    def started(self, packages: int) -> str:
        """See `Engine.started`."""
        return f"mpi, {min(self.workers(), packages)} ranks that compute"

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> "Generator[tuple[int, Result | Lost]]":
        """See `Engine.map`. MPI ends the job where a rank dies, so nothing is tried again here."""
        if _pool is None:
            yield from super().map(function, items)
            return
        todo = iter(range(len(items)))
        running: dict[Future, int] = {}
        while True:
            # one item more than workers, so that none waits for rank 0
            for position in todo:
                running[_pool.submit(function, items[position])] = position
                if len(running) > self.workers():
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                position = running.pop(future)
                try:
                    found = future.result()
                except Exception as error:
                    found = Lost(f"{type(error).__name__}: {' '.join(str(error).split())}")
                yield position, found
