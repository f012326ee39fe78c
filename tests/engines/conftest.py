from collections.abc import Iterator
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


@pytest.fixture(scope="module", autouse=True)
def _compile_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Worker processes share what they compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jax"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        yield
