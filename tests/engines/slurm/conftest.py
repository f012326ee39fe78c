import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep.testing.cluster import Cluster, missing
from sweep.testing.played import PlayedSlurm

MAX_ARRAY = 11


@contextmanager
def _found(environment: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def daemons() -> Iterator[Cluster]:
    """Four nodes, for all tests."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with Cluster(folder, MAX_ARRAY) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(daemons: Cluster) -> Iterator[Cluster]:
    """The same, with the clients of this process talking to it."""
    with _found(daemons.environment):
        yield daemons


@pytest.fixture(scope="module")
def played() -> Iterator[PlayedSlurm]:
    """A played SLURM that the clients of this process talk to; its minutes have 15 seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as name,
        PlayedSlurm(Path(name), MAX_ARRAY, minute=15.0) as slurm,
        _found(slurm.environment),
    ):
        yield slurm
