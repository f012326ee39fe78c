"""`mpiexec -n 3 python -m tests.engines.broken_rank`: a rank that cannot even begin to serve."""

from typing import Any

from sweep.engines import mpi


def broken(comm: Any) -> None:
    if comm.Get_rank() == 1:
        raise OSError("planted")


if __name__ == "__main__":
    mpi._occupy_slot = broken
    nobody: Any = None
    with mpi.ranks() as launches:
        assert not launches or not list(mpi.MpiEngine().run([], nobody))
