"""FITS files: healpy reads back what was meant, with units and conventions."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

import sweep
from sweep.assemble.clusters import build_clusters
from sweep.errors import ConfigError
from sweep.results import (
    cmb_maps,
    on_pixels,
    parameter_errors,
    parameter_maps,
    residual_maps,
    write_fits,
)
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import cluster_maps
from sweep.testing.small import run, small
from tests.problems import PARAMETERS


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("fits") / "a.zarr"
    words = ("sky.nside=8", "mask.expression=GAL060", "noise.noiseless=true")
    run([small(*words, "noise.realisations=3", store=path)])
    return sweep.open(path)


@pytest.fixture(scope="module")
def files(ds: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("written") / "maps"
    written = write_fits(ds, 0, 1, folder)
    assert written.left_out == {}
    return {path.stem: path for path in written.files}


def read_maps(path: Path) -> np.ndarray:
    columns: Any = None  # all of them
    return hp.read_map(path, field=columns, dtype=np.float64)


def test_healpy_reads_back_the_maps(ds: xr.Dataset, files: dict[str, Path]) -> None:
    assert list(files) == ["clusters", "parameters", "cmb", "residuals"]
    clusters, values = cluster_maps(ExperimentView(ds, 0)), parameter_maps(ds, 0, 1)
    errors = on_pixels(ds, 0, parameter_errors(ds, 0, 1))
    expected = {
        "clusters": [clusters[p] for p in PARAMETERS],
        "parameters": [m[p] for m in (values, errors) for p in PARAMETERS],
        "cmb": list(cmb_maps(ds, 0, 1)),
    }
    for name, maps in expected.items():
        read = read_maps(files[name])
        np.testing.assert_array_equal(read, np.stack(maps), err_msg=name)
    read = read_maps(files["residuals"])
    found = residual_maps(ds, 0)
    kinds = (found.noiseless, found.mean, found.statistical, found.total)
    for i, kind in enumerate(kinds):
        np.testing.assert_array_equal(read[2 * i : 2 * i + 2, found.pixels], kind)
    outside = np.setdiff1d(np.arange(read.shape[1]), found.pixels)
    assert (read[:, outside] == hp.UNSEEN).all()


def test_what_is_written_clusters_another_sweep(ds: xr.Dataset, files: dict[str, Path]) -> None:
    original = cluster_maps(ExperimentView(ds, 0))
    words = ("sky.nside=8", "mask.expression=GAL060")
    from_file = ["clusters=file", f"clusters.path={files['clusters']}"]
    counts = [f"clusters.{p}={int(original[p].max()) + 1}" for p in PARAMETERS]
    binned = ["clusters=binned", f"clusters.path={files['parameters']}", *counts]
    kept = original["beta_dust"] != hp.UNSEEN
    for choice in (from_file, binned):
        clusters = build_clusters(sweep.compose([*words, *choice]))
        for p in PARAMETERS:  # each of its two clusters has about half the pixels
            np.testing.assert_array_equal(clusters.labels[p], original[p][kept])


def test_headers_say_units_order_and_convention(ds: xr.Dataset, files: dict[str, Path]) -> None:
    units = {
        "clusters": ["", "", ""],
        "parameters": ["", "K", "", "", "K", ""],
        "cmb": ["uK_CMB"] * 2,
        "residuals": ["uK_CMB"] * 8,
    }
    for name, path in files.items():
        header = fits.getheader(path, 1)
        assert header["ORDERING"] == "RING"
        assert header["COORDSYS"] == "G"
        assert header["POLCCONV"] == "COSMO"
        assert header["NSIDE"] == 8
        assert ds["identity"].values[0].startswith(header["EXPERIM"])
        assert [header.get(f"TUNIT{i + 1}", "") for i in range(len(units[name]))] == units[name]
    header = fits.getheader(files["cmb"], 1)
    assert (header["TTYPE1"], header["TTYPE2"]) == ("Q_POLARISATION", "U_POLARISATION")
    assert fits.getheader(files["parameters"], 1)["TTYPE5"] == "TEMP_DUST_ERROR"


def test_every_column_says_what_it_is(files: dict[str, Path]) -> None:
    for path in files.values():
        header = fits.getheader(path, 1)
        said = [header[f"TCOMM{i}"] for i in range(1, header["TFIELDS"] + 1)]
        assert len(set(said)) == len(said)
    header = fits.getheader(files["residuals"], 1)
    columns = {header[f"TTYPE{i}"]: header[f"TCOMM{i}"] for i in range(1, header["TFIELDS"] + 1)}
    start = {
        "SYSTEMATIC_Q": "Q: recovered minus true CMB of the fit without noise",
        "MEAN_Q": "Q: mean of 3 realisations of recovered minus true CMB, holds 1/3 of the noise",
        "STATISTICAL_U": "U: root mean square over realisations of the difference to the fit",
        "TOTAL_U": "U: root mean square over realisations of recovered minus true CMB",
    }
    for name, text in start.items():
        assert columns[f"{name}_POLARISATION"].startswith(text)
    assert header["REALISAT"] == 3
    assert header.comments["REALISAT"] == "how many realisations were averaged"
    one = fits.getheader(files["cmb"], 1)
    assert one["REALISAT"] == 1
    assert one.comments["REALISAT"] == "number of this realisation; -1: without noise"
    assert one["STATUS"] in ("converged", "max_steps", "stalled")
    assert "REALISAT" not in fits.getheader(files["clusters"], 1)


def test_variances_in_the_header_are_free_of_the_noise_in_the_mean(
    ds: xr.Dataset, files: dict[str, Path], tmp_path: Path
) -> None:
    header, found = fits.getheader(files["residuals"], 1), residual_maps(ds, 0)
    assert header["ESTIMATE"] == "fit without noise"
    for name, kind in (("SYST", "systematic"), ("STAT", "statistical"), ("TOTA", "total")):
        assert header[f"VAR{name}"] == pytest.approx(found.variances[kind])
    noisy = ds.isel(realisation=ds["realisation"].values >= 0)
    written = {path.stem: path for path in write_fits(noisy, 0, 1, tmp_path).files}
    header = fits.getheader(written["residuals"], 1)
    names = [header[f"TTYPE{i}"] for i in range(1, header["TFIELDS"] + 1)]
    # the mean is not the systematic residual, and is not called so
    assert [name.split("_")[0] for name in names] == [
        *["MEAN"] * 2,
        *["STATISTICAL"] * 2,
        *["TOTAL"] * 2,
    ]
    assert header["ESTIMATE"] == "pairs of realisations"
    mean = read_maps(written["residuals"])[:2, found.pixels]
    with_noise = float(np.var(mean, axis=1).sum())
    assert header["VARSYST"] == pytest.approx(with_noise - header["VARSTAT"] / header["REALISAT"])
    assert "no column is the systematic residual" in str(header["COMMENT"])


def test_one_realisation_has_a_mean_and_no_variance_without_noise(
    ds: xr.Dataset, tmp_path: Path
) -> None:
    one = ds.isel(realisation=ds["realisation"].values == 1)
    written = {path.stem: path for path in write_fits(one, 0, 1, tmp_path).files}
    header = fits.getheader(written["residuals"], 1)
    assert "VARSYST" not in header
    assert "VARTOTA" in header
    assert header["REALISAT"] == 1


def test_they_are_written_over_and_nothing_else_is_left(ds: xr.Dataset, tmp_path: Path) -> None:
    first = {path.name for path in write_fits(ds, 0, 0, tmp_path).files}
    write_fits(ds, 0, 2, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == first
    assert fits.getheader(tmp_path / "cmb.fits", 1)["REALISAT"] == 2


def test_where_nothing_can_be_written_it_says_so(ds: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="clusters.fits cannot be written"):
        write_fits(ds, 0, 0, tmp_path / "file")


def test_an_address_is_refused(
    ds: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="folder = s3://bucket/maps: is an address"):
        write_fits(ds, 0, 0, "s3://bucket/maps")
    assert list(tmp_path.iterdir()) == []


def test_what_the_store_does_not_have_is_left_out_with_the_reason(tmp_path: Path) -> None:
    words = ("store.maps=float32", "store.parameters=false", "noise.realisations=2")
    run([small(*words, store=tmp_path / "a.zarr")])
    written = write_fits(sweep.open(tmp_path / "a.zarr"), 0, 0, tmp_path / "maps")
    assert [path.name for path in written.files] == ["clusters.fits", "cmb.fits", "residuals.fits"]
    assert list(written.left_out) == ["parameters", "parameter errors"]
    for why in written.left_out.values():
        assert "store.parameters=true" in why


def test_too_many_clusters_for_errors_leave_the_parameters(
    ds: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.statistics.curvature.MOST_CLUSTERS", 1)
    written = write_fits(ds, 0, 0, tmp_path)
    assert list(written.left_out) == ["parameter errors"]
    header = fits.getheader(tmp_path / "parameters.fits", 1)
    names = [header[f"TTYPE{i}"] for i in range(1, header["TFIELDS"] + 1)]
    assert names == ["BETA_DUST", "TEMP_DUST", "BETA_PL"]


def test_the_command_names_the_files(
    ds: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweep.cli.store import main

    label = ds["identity"].values[0][:6]
    main(["maps", ds.attrs["path"], label, "--output", str(tmp_path)])
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"written: {tmp_path / f'{n}.fits'}" for n in ("clusters", "parameters", "cmb", "residuals")
    ]
