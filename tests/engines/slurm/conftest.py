import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def daemons() -> Iterator[Cluster]:
    """Four nodes, for all tests."""
    if reason := missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with Cluster(folder, max_array=11) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(daemons: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same, with the clients of this process talking to it."""
    base = tmp_path_factory.getbasetemp()
    given = daemons.environment | {"SKYSWEEP_CACHE": str(base / "cache")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        yield daemons
