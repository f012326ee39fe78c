"""A store as one group that plain xarray reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import StoreError
from sweep.store import publish
from sweep.store.export import export
from sweep.testing.small import grid, run
from tests.store.helpers import make_spec


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("export") / "a.zarr"
    given = "store.maps=float32 store.spectra=alm mask.expression=GAL060 "
    run(grid(store, given + "solver=scipy_tnc", given + "solver=newton noise.realisations=3"))
    run(grid(store, "clusters.beta_dust=1 mask.expression=GAL040"))
    return store


def test_plain_xarray_reads_what_the_store_shows(path: Path, tmp_path: Path) -> None:
    output = export(path, tmp_path / "out.zarr")
    ours = sweep.open(path)
    plain = xr.open_zarr(output, consolidated=False)
    assert set(plain.data_vars) >= set(ours.data_vars)
    for name in ours.data_vars:
        np.testing.assert_array_equal(plain[name].values, ours[name].values, err_msg=str(name))
        assert plain[name].dims == ours[name].dims
        assert plain[name].attrs["units"] == ours[name].attrs["units"]
    assert plain["realisation"].values.tolist() == ours["realisation"].values.tolist()
    assert plain["clusters.beta_dust"].values.tolist() == [2, 2, 1]
    labels = np.array(plain["solver"].attrs["labels"])
    assert labels[plain["solver"].values].tolist() == ours["solver"].values.tolist()
    identities = [bytes(row).hex() for row in plain["identity"].values]
    assert identities == ours["identity"].values.tolist()
    assert plain.attrs["base"] == json.loads(ours.attrs["base"])


def test_it_has_a_handful_of_files_and_nothing_is_left_beside(path: Path, tmp_path: Path) -> None:
    output = export(path, tmp_path / "out.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]
    arrays = len(sweep.open(path).variables)
    files = [p for p in output.rglob("*") if p.is_file()]
    assert len(files) == 1 + 2 * arrays


def test_what_is_there_is_not_touched(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out.zarr").write_text("mine")
    with pytest.raises(StoreError, match="out.zarr exists; give another output"):
        export(path, tmp_path / "out.zarr")
    assert (tmp_path / "out.zarr").read_text() == "mine"
    with pytest.raises(StoreError, match="none"):
        export(path, tmp_path / "none" / "out.zarr")


def test_what_is_damaged_leaves_nothing(path: Path, tmp_path: Path) -> None:
    chunk = next(p for p in path.rglob("nll/c.*"))
    held = chunk.read_bytes()
    chunk.write_bytes(held[:-4] + b"oops")
    try:
        with pytest.raises(StoreError):
            export(path, tmp_path / "out.zarr")
    finally:
        chunk.write_bytes(held)
    assert not list(tmp_path.iterdir())


def test_a_store_without_a_record_is_fill(tmp_path: Path) -> None:
    publish(tmp_path / "a.zarr", make_spec())
    plain = xr.open_zarr(export(tmp_path / "a.zarr", tmp_path / "b.zarr"), consolidated=False)
    assert (plain["status"].values == 0).all()
    assert np.isnan(plain["cmb_variance"].values).all()
