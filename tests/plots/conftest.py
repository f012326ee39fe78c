"""A store with all that pictures can show, and figures caught before they are written."""

from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from matplotlib.figure import Figure

import sweep
from sweep.testing.small import grid, run

KEPT = "noise.noiseless=true noise.realisations=3 store.spectra=alm store.maps=float32"


@pytest.fixture(scope="session")
def plotted_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two by two cluster counts, and two of them with a solver that stops early."""
    path = tmp_path_factory.mktemp("plotted") / "grid.zarr"
    counts = [f"clusters.beta_dust={d} clusters.beta_pl={s}" for d in (1, 2) for s in (1, 2)]
    solvers = [f"{counts[0]} solver.max_steps=2", f"{counts[3]} solver.max_steps=2"]
    run(grid(path, *(f"{point} {KEPT} mask.expression=GAL060" for point in counts + solvers)))
    return path


@pytest.fixture
def ds(plotted_store: Path) -> xr.Dataset:
    return sweep.open(plotted_store)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Figures that are saved during a test; nothing is written, which would take most time."""
    caught: list[Any] = []

    def keep(figure: Figure, *_: Any, **__: Any) -> None:
        caught.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return caught
