"""One small sweep over two zones, and the page of it, for all tests of the report."""

import json
from pathlib import Path

import pytest
import xarray as xr

import sweep
from sweep.progress import Progress
from sweep.report.collect import collect
from sweep.report.page import page
from sweep.testing.small import grid, run
from sweep.types import Status

MASKS = ("GAL040", "GAL080-GAL040")
COUNTS = (1, 4)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four experiments, four realisations each and the fit without noise."""
    path = tmp_path_factory.mktemp("reported") / "zones.zarr"
    given = "noise.noiseless=true noise.realisations=4 store.spectra=alm"
    points = [f"{given} mask.expression={m} clusters.beta_dust={n}" for m in MASKS for n in COUNTS]
    run(grid(path, *points))
    return path


@pytest.fixture(scope="session")
def ds(swept: Path) -> xr.Dataset:
    """As if all fits had converged, which the small solver's seldom do: only such are ranked."""
    ds = sweep.open(swept)
    status = ds["status"].load()
    return ds.assign(status=xr.where(status != Status.PENDING, Status.CONVERGED, status))


@pytest.fixture(scope="session")
def collected(ds: xr.Dataset) -> dict:
    found = collect(ds, Progress(None))
    json.dumps(found, allow_nan=False)
    return found


@pytest.fixture(scope="session")
def report(collected: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "zones-report.html"
    file.write_text(page(collected), "utf-8")
    return file
