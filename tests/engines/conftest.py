from pathlib import Path

import pytest

from tests.engines.contract import POINTS
from tests.small import grid, run


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the engines have to compute, in this process and with four realisations a block."""
    path = tmp_path_factory.mktemp("reference") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        done = run(grid(path, *(f"{point} fit.block=4" for point in POINTS)))
    assert len(done.outcomes) == 2
    return path
