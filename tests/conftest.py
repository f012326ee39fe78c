"""Fixtures that many tests share, and what all processes of a run have in common."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# a program is compiled once for all tests, the commands that they start, and the next run
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_HERE.parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# half of the tests' time was XLA and LLVM making programs fast that run once; `make soak` lets them
_QUICK = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
if version("jaxlib").startswith("0.10."):  # later ones have no such choice, and end at the word
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))

import jax  # noqa: E402, reads the environment
import pytest  # noqa: E402

from tests.shapes import check_annotations  # noqa: E402

jax.config.update("jax_enable_x64", True)
check_annotations()


_LONG = (
    "engines/slurm/test_slurm.py",
    "test_launch.py",
    "analysis",
    "engines/slurm",
    "engines/test_mpi.py",
    "test_faults.py",
    "solvers",
)
"""Begun first where there are several processes: none is to be busy when the others are done."""

_TOGETHER = ("plots", "report", "importing", "sky")
"""Folders whose tests share what takes long to make."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process takes a file at a time, of some folders all files."""
    from xdist.scheduler import LoadFileScheduling

    class ByFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            folder = file.split("/")[1]
            return folder if folder in _TOGETHER else file

    return ByFolder(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first for the processes of pytest -n."""
    if hasattr(config, "workerinput"):
        files = {item: item.path.relative_to(_HERE).as_posix() for item in items}
        places = {
            item: next((i for i, start in enumerate(_LONG) if file.startswith(start)), len(_LONG))
            for item, file in files.items()
        }
        items.sort(key=places.__getitem__)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """No test reads or fills the user's cache; one cache serves all processes of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(folder / "cache"))
        yield


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """As a command begins: tables as wide as in a pipe, and what `main` sets is of one test."""
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest -n sets it
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """One process runs all tests, and compiles more than Linux gives it memory mappings for."""
    from sweep.programs import forget_surplus_programs

    yield
    forget_surplus_programs()


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """Two experiments, two realisations each and the noise-free slot; read it, or copy it."""
    from sweep.testing.small import grid, run

    path = tmp_path_factory.mktemp("filled") / "small.zarr"
    run(grid(path, "noise.ratio=1 noise.noiseless=true", "noise.ratio=2 noise.noiseless=true"))
    return path
