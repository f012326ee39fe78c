"""An experiment that was fitted here, and the same results in the layout of furax-cs."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import sweep
from sweep.testing.small import grid, run
from tests.importing.folders import NAME, SETTINGS, contents, write


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one experiment at nside 8, three fits of it; read it, or copy it."""
    path = tmp_path_factory.mktemp("native") / "native.zarr"
    run(grid(path, SETTINGS))
    return path


@pytest.fixture(scope="session")
def files(native: Path) -> dict[str, dict[str, Any]]:
    """What furax-cs would have kept of it: arrays by file and name."""
    return contents(sweep.open(native), 0)


@pytest.fixture
def folder(files: dict[str, dict[str, Any]], tmp_path: Path) -> Path:
    return write(tmp_path / "results" / NAME, files)


@pytest.fixture
def beside(native: Path, tmp_path: Path) -> Path:
    """A copy of the store with the experiment that was fitted here."""
    path = tmp_path / "both.zarr"
    for ending in ("", ".sweep"):
        shutil.copytree(str(native) + ending, str(path) + ending)
    return path
