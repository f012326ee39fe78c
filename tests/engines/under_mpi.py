"""`mpiexec -n N python -m tests.engines.under_mpi`: rank 0 tests, the others serve."""

import sys

import pytest

from sweep.engines.mpi import ranks

if __name__ == "__main__":
    with ranks() as launches:
        if launches:
            sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/engines/ranks.py"]))
