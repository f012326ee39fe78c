"""Where the true CMB is not known what needs it says so, and all else is there."""

from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.setup import build
from sweep.errors import ConfigError, MissingError
from sweep.plots.kinds import KINDS
from sweep.progress import Progress
from sweep.report.collect import collect
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.fits import write_fits
from sweep.statistics.front import front
from sweep.statistics.halves import best_by_halves
from sweep.statistics.maps import residual_maps, true_parameter_maps
from sweep.statistics.recovered import recovered_cmb
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.testing.small import run, small
from tests.handed import NSIDE, SETTINGS, Handed, mine, write_map

WHY = r"the true CMB is not known \(sky.truth\)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("handed")
    setup = build(small(*SETTINGS, "mask.expression=GAL080"))
    return Handed(there, setup).write(nest=True)


@pytest.fixture(scope="module")
def ds(folder: Path) -> xr.Dataset:
    counts = ("clusters.beta_dust=1", "clusters.beta_dust=5")
    run([mine(folder, "solver=newton", count) for count in counts])
    return sweep.open(folder.parent / "store.zarr")


def test_experiments_are_ranked_by_the_variance_of_the_cmb(ds: xr.Dataset) -> None:
    table = best(ds, "cmb_variance")
    assert len(table) == 2
    assert table["cmb_variance"].is_monotonic_increasing
    assert np.isfinite(table["delta_to_best_error"].iloc[1])
    assert set(best_by_halves(ds, "cmb_variance")["measured_by"]) == {"0", "1"}
    assert np.isnan(summary(ds)["residual_variance"].to_numpy()).all()


@pytest.mark.parametrize("metric", ["residual_variance", "r", "r_limit_95"])
def test_what_needs_the_truth_ranks_none_and_says_why(ds: xr.Dataset, metric: str) -> None:
    with pytest.raises(ConfigError, match="sky.truth"):
        best(ds, metric)


def test_residuals_spectra_and_the_front_are_refused_with_the_reason(ds: xr.Dataset) -> None:
    one = ExperimentView(ds, 0)
    for refused in (read_residuals, residual_maps):
        with pytest.raises(MissingError, match=WHY):
            refused(one)
    with pytest.raises(ConfigError, match=WHY):
        front(ds)
    assert true_parameter_maps(one) == {}


def test_maps_are_written_but_those_of_residuals(ds: xr.Dataset, tmp_path: Path) -> None:
    one = ExperimentView(ds, 0)
    written = write_fits(one, 1, tmp_path)
    assert {p.name for p in written.files} == {"clusters.fits", "parameters.fits", "cmb.fits"}
    assert set(written.left_out) == {"residuals"}
    assert "sky.truth" in written.left_out["residuals"]
    q = hp.read_map(tmp_path / "cmb.fits")
    seen = q[q > hp.UNSEEN]
    (cmb,) = recovered_cmb(one, [1])
    np.testing.assert_allclose(seen, cmb[0], rtol=1e-6)
    variance = one.stored["cmb_variance"].sel(realisation=1).item()
    np.testing.assert_allclose(cmb.var(axis=-1).sum(), variance, rtol=1e-6)


def test_the_report_has_the_ranking_and_the_reason(ds: xr.Dataset) -> None:
    page = collect(ds, Progress(None))
    assert [row["metric"] for row in page["best"]] == ["cmb_variance"]
    assert {one["part"] for one in page["missing"] if "sky.truth" in one["why"]} >= {
        "spectra",
        "maps",
        "front",
    }


def test_pictures_that_need_no_truth_are_drawn(ds: xr.Dataset, tmp_path: Path) -> None:
    for kind in ("variance", "nll"):
        assert KINDS[kind].draw(ds, tmp_path / f"{kind}.png").exists()
    with pytest.raises(ConfigError, match="sky.truth"):
        KINDS["front"].draw(ds, tmp_path / "front.png")


def test_a_map_is_not_made_again_from_a_file_that_has_changed(ds: xr.Dataset, folder: Path) -> None:
    path = folder / "b1_0001.fits"
    kept = path.read_bytes()
    assert ds["data_digest"].dims == ("experiment", "realisation", "file")
    try:
        write_map(path, np.ones((3, hp.nside2npix(NSIDE))), False, False, "K_CMB", "COSMO")
        with pytest.raises(ConfigError, match=r"\(band b1, realisation 1\): has changed since"):
            recovered_cmb(ExperimentView(ds, 0), [1])
    finally:
        path.write_bytes(kept)
    recovered_cmb(ExperimentView(ds, 0), [1])
