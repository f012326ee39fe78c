"""Imported results in a store: the numbers of the fit they were made from, beside that fit."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.cli.store import main
from sweep.errors import ConfigError, StoreError
from sweep.importing.folder_name import FITS
from sweep.importing.importer import Maps, result_folders
from sweep.model import KNOWN
from sweep.quantities.table import VARIABLES
from sweep.results import read_residuals
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.rankings import templates_of
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.store import compact, verify
from sweep.testing.small import grid, run
from sweep.types import Status
from tests.importing.folders import NAME, SETTINGS, imported, write
from tests.small import listing

Files = dict[str, dict[str, Any]]

NOT_THERE = KNOWN.keys() - set(FITS) | {"data_digest"}
"""Variables of other models, and of data from files."""

NOT_KEPT = {
    "penalty": np.nan,
    "starts_elsewhere": -1,
    "starts_rise": np.nan,
    "suspect": -1,
    "at_bound": np.nan,
    "status": Status.MAX_STEPS,
    "gradient_norm": np.nan,
    "seconds": np.nan,
    "evaluations": -1,
    "scan_certified": -1,
    "jumps": -1,
    "unconstrained": -1,
}
FITTED = ("nll", "iterations", "beta_dust", "temp_dust", "beta_pl")
"""What the noise-free slot of an import does not have."""


@pytest.fixture(scope="module")
def both(native: Path, files: Files, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """The experiment that was fitted here, and its import; not to be changed."""
    path = tmp_path_factory.mktemp("both") / "both.zarr"
    for ending in ("", ".sweep"):
        shutil.copytree(str(native) + ending, str(path) + ending)
    imported(path, write(path.parent / NAME, files))
    return pair(path)


def pair(store: Path) -> xr.Dataset:
    """The experiment that was fitted here, and its import."""
    ds = sweep.open(store)
    assert ds.sizes["experiment"] == 2
    return ds.load()


@pytest.mark.parametrize("name", [n for n in VARIABLES if n not in NOT_THERE])
def test_numbers_are_those_of_the_fit(name: str, both: xr.Dataset) -> None:
    ours, theirs = both[name].values
    if name in NOT_KEPT:
        np.testing.assert_array_equal(theirs, np.full(3, NOT_KEPT[name]))
        return
    if name in FITTED:
        assert (theirs[0] == VARIABLES[name].fill).all() or np.isnan(theirs[0]).all()
        ours, theirs = ours[1:], theirs[1:]
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12 * np.nanmax(np.abs(ours)))


def test_residuals_and_r_are_those_of_the_fit(both: xr.Dataset) -> None:
    for field in ("E", "B"):
        ours, theirs = (read_residuals(both, i, field) for i in (0, 1))
        assert theirs.nside == 8
        assert theirs.sky_fraction == ours.sky_fraction
        assert theirs.noiseless is not None
        for name in ("total", "systematic", "statistical"):
            one, other = (getattr(r.spectra("noise_free"), name) for r in (ours, theirs))
            np.testing.assert_allclose(other, one, rtol=1e-6)
    ratios = [
        tensor_ratio(r, templates_of(r), "noise_free")
        for r in (read_residuals(both, i) for i in (0, 1))
    ]
    assert ratios[1].r == pytest.approx(ratios[0].r, rel=1e-5)
    assert ratios[1].upper_95 == pytest.approx(ratios[0].upper_95, rel=1e-5)


def test_it_stands_in_the_tables_beside_the_fit(both: xr.Dataset) -> None:
    assert both["imported.from"].values.tolist() == ["", NAME]
    assert both["imported.program"].values.tolist() == ["", "furax-cs"]
    assert both["solver"].values.tolist() == ["scipy_tnc", "adabk0"]
    assert both["mask.expression"].values.tolist() == ["GAL060-GAL040", "GAL040-GAL020"]
    assert both["clusters.beta_dust"].values.tolist() == [2, 2]
    table = summary(both)
    assert table["usable"].tolist() == [2, 2]
    assert table["max_steps"].tolist()[1] == 2
    for name in ("cmb_variance", "cmb_variance_error", "residual_variance", "nll"):
        ours, theirs = table[name]
        assert theirs == pytest.approx(ours, rel=1e-12), name
    for metric in ("cmb_variance", "r"):
        ranked = best(both, metric, converged=0)
        assert set(ranked.index) == set(table.index)
        assert abs(ranked["delta_to_best"].iloc[1]) < 1e-6 * abs(ranked[metric].iloc[0]) + 1e-9


def test_it_has_no_configuration(both: xr.Dataset) -> None:
    assert ExperimentView(both, 0).configuration.sky.nside == 8
    with pytest.raises(ConfigError, match=f"was imported from furax-cs: {NAME}; it cannot be made"):
        _ = ExperimentView(both, 1).configuration


def test_the_store_stays_whole(beside: Path, folder: Path) -> None:
    imported(beside, folder)
    before = pair(beside)
    assert verify(beside).clean
    assert run(grid(beside, SETTINGS)).outcomes == ()
    assert len(compact(beside).compacted) == 1
    assert verify(beside).clean
    xr.testing.assert_identical(pair(beside).drop_attrs(), before.drop_attrs())


def test_failed_fits_are_counted_and_not_used(files: Files, tmp_path: Path) -> None:
    cmb = files["results.npz"]["CMB_O"].copy()
    cmb[0, 1, 0, 5] = np.inf
    imported(tmp_path / "a.zarr", write(tmp_path / NAME, files, CMB_O=cmb))
    ds = sweep.open(tmp_path / "a.zarr").load()
    assert ds["status"].values[0].tolist() == [2, 2, 3]
    assert np.isnan(ds["cmb_variance"].values[0]).tolist() == [False, False, True]
    assert np.isnan(ds["bb_residual"].values[0, 2]).all()
    assert summary(ds)[["usable", "nonfinite"]].values.tolist() == [[1, 1]]
    assert read_residuals(ds, 0).realisations.tolist() == [0]


@pytest.mark.parametrize("parameter", ["NLL", "temp_dust"])
def test_a_fit_without_finite_parameters_failed(
    files: Files, tmp_path: Path, parameter: str
) -> None:
    values = files["results.npz"][parameter].copy()
    values[0, 0] = np.nan
    imported(tmp_path / "a.zarr", write(tmp_path / NAME, files, **{parameter: values}))
    assert sweep.open(tmp_path / "a.zarr")["status"].values[0].tolist() == [2, 3, 2]


def test_points_of_a_grid_are_padded_to_one_segment(files: Files, tmp_path: Path) -> None:
    from tests.importing.test_furax_cs import grid_of_two

    folder = write(tmp_path / "grid", files | {"results.npz": grid_of_two(files)})
    assert imported(tmp_path / "a.zarr", folder).experiments == 2
    ds = sweep.open(tmp_path / "a.zarr")
    assert ds["clusters.beta_dust"].values.tolist() == [2, 1]
    assert ds["imported.point"].values.tolist() == [0, 1]
    assert np.isnan(ds["beta_dust"].values[1, :, 1]).all()
    assert (ds["beta_dust"].values[0, 1:] < 99).all()


@pytest.mark.parametrize("maps", ["none", "float32"])
def test_maps_are_kept_as_asked(maps: Maps, folder: Path, files: Files, tmp_path: Path) -> None:
    imported(tmp_path / "a.zarr", folder, maps=maps)
    ds = sweep.open(tmp_path / "a.zarr")
    assert read_residuals(ds, 0).alms.shape[0] == 2
    assert ("cmb" in ds) == (maps == "float32")
    if maps == "float32":
        assert ds["cmb"].dtype == np.float32
        cmb = files["results.npz"]["CMB_O"]
        np.testing.assert_allclose(ds["cmb"].values[0, 1:], cmb[0], rtol=1e-6)


def test_maps_of_two_resolutions_are_refused(
    files: Files, folder: Path, beside: Path, tmp_path: Path
) -> None:
    keep = np.ones(48, bool)
    cmb, truth = np.ones((1, 2, 2, 48)), np.ones((2, 48))
    changes = {f"{p}_patches": None for p in ("beta_dust", "temp_dust", "beta_pl")}
    changes |= {"CMB_O": cmb, "W_D_FG_0": truth, "I_CMB": truth, "mask": keep}
    coarse = write(tmp_path / "coarse", files, **changes)
    before = listing(beside)
    with pytest.raises(ConfigError, match="maps of nside 2, 8 cannot be .* with --maps none"):
        imported(beside, coarse)
    with pytest.raises(ConfigError, match="maps of nside 2, 8"):
        imported(tmp_path / "new.zarr", coarse, folder)
    assert listing(beside) == before
    assert not (tmp_path / "new.zarr").exists()
    assert imported(beside, coarse, maps="none").experiments == 1
    assert summary(sweep.open(beside))["usable"].tolist() == [2, 2]


def test_nothing_is_made_where_one_folder_is_bad(files: Files, tmp_path: Path) -> None:
    good = write(tmp_path / "good", files)
    bad = write(tmp_path / "worse", files, NLL=None)
    with pytest.raises(ConfigError, match="NLL is missing"):
        imported(tmp_path / "a.zarr", good, bad)
    assert not list(tmp_path.glob("a.zarr*"))


def test_what_is_no_store_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(StoreError, match="is not a sweep store"):
        imported(tmp_path / "a.zarr", folder)


def test_folders_are_found_below(files: Files, tmp_path: Path) -> None:
    deep = write(tmp_path / "all" / "BDXXX_TD5_BS5" / NAME, files)
    flat = write(tmp_path / "all" / "flat", files)
    (tmp_path / "all" / "plots").mkdir()
    assert result_folders(tmp_path / "all") == [deep, flat]
    assert result_folders(flat) == [flat]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no result folder of furax-cs here or below"):
        result_folders(tmp_path / "empty")


def test_the_command(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "all" / NAME, files)
    write(tmp_path / "all" / "flat", files, NLL=np.full((1, 2), -1.0))
    store = str(tmp_path / "a.zarr")
    main(["import-furax-cs", str(tmp_path / "all"), store])
    shown = capsys.readouterr()
    assert shown.out == "2 result folders, 2 experiments: 6 fits added\n"
    assert "2/2 experiments" in shown.err
    main(["import-furax-cs", str(tmp_path / "all" / NAME), store, "--maps", "none"])
    assert capsys.readouterr().out == "1 result folders, 1 experiments: 0 fits added\n"
    main(["summary", store, "--json"])
    rows = json.loads(capsys.readouterr().out)
    labels = [identity[:8] for identity in sweep.open(store)["identity"].values]
    assert [row["experiment"] for row in rows] == labels
    assert [row["imported.from"] for row in rows] == ["flat", NAME]
    with pytest.raises(SystemExit) as ended:
        main(["import-furax-cs", str(tmp_path / "none"), store])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("sweep-store: ")
