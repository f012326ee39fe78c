import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.errors import StoreError
from sweep.store import Store, publish

from .helpers import HELD, PIXELS, assert_expected, entry, fill, filled, make_spec, snapshot


def test_a_published_segment_reads_back_as_its_spec(tmp_path: Path) -> None:
    varied = {"experiments": (entry(0, tol=None, bins=[1]), entry(1, tol=1e-3, bins=[1.0]))}
    for number, changes in enumerate([{}, {"maps": None}, {"parameters": False}, varied]):
        spec = make_spec(**changes)
        path = tmp_path / f"{number}.zarr"
        name = publish(path, spec)
        back = Store(path).segments[name].spec
        assert back == spec
        assert json.dumps([e.config for e in back.experiments], sort_keys=True) == json.dumps(
            [e.config for e in spec.experiments], sort_keys=True
        )
        assert np.array_equal(back.pixels, spec.pixels)  # pyright: ignore[reportArgumentType]


def test_plain_xarray_reads_a_segment(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    (name,) = Store(path).segments
    dataset = xr.open_zarr(path, group=name, consolidated=False, chunks=None)
    assert dataset["status"].dtype == "int8"
    assert dataset["cmb"].dims == ("experiment", "realisation", "stokes", "pixel")
    assert dataset["realisation"].values.tolist() == [-1, 0, 1, 2, 3]
    assert dataset["clusters.beta_dust"].values.tolist() == [10, 20, 30]
    assert dataset["healpix_index"].values.tolist() == list(PIXELS)
    assert dataset["healpix_index"].attrs["indexing_scheme"] == "ring"
    assert dataset["stokes"].attrs["labels"] == ["Q", "U"]
    assert {"identity", "healpix_index"} <= set(dataset.coords)
    for array in dataset.variables.values():
        assert array.attrs["units"]
        assert array.attrs["long_name"]
        assert array.dtype.kind in "iufc"
    for variable in HELD:
        assert np.isfinite(dataset[variable].values).all(), variable


def test_only_plain_files_of_the_promised_encoding(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    (segment,) = path.glob("segment-*")
    for array in (p for p in segment.iterdir() if p.is_dir()):
        metadata = json.loads((array / "zarr.json").read_text())
        assert [c["name"] for c in metadata["codecs"]] == ["bytes", "zstd", "crc32c"]
        assert metadata["chunk_key_encoding"]["configuration"] == {"separator": "."}
        assert metadata["dimension_names"]
        assert all(p.is_file() for p in array.iterdir())
    assert not [*tmp_path.rglob("*.partial")]
    assert {p.name for p in path.iterdir()} == {"zarr.json", segment.name}


def test_creation_race_has_one_root_and_loses_no_segment(
    tmp_path: Path, processes: Callable[..., str]
) -> None:
    processes("races", tmp_path, 50)
    for number in range(50):
        store = Store(tmp_path / f"{number}.zarr")
        assert len(store.segments) == 4
        assert len(store.uuid) == 32
    assert not [*tmp_path.rglob("*.partial")]


def test_racing_segments_fill_to_one_dataset(tmp_path: Path, processes: Callable[..., str]) -> None:
    path = tmp_path / "a.zarr"
    processes("race", path, 2)
    fill(path)
    assert_expected(path)


def _file(path: Path) -> Path:
    path.write_text("mine")
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    _file(path / "mine.txt")
    return path


def _foreign(path: Path) -> Path:
    path.mkdir()
    (path / "zarr.json").write_text('{"attributes": {}, "node_type": "group"}')
    return path


def _truncated(path: Path) -> Path:
    path.mkdir()
    (path / "zarr.json").write_text('{"attributes": {"form')
    return path


def _newer(path: Path) -> Path:
    publish(path, make_spec())
    metadata = json.loads((path / "zarr.json").read_text())
    metadata["attributes"]["schema_version"] = 3
    (path / "zarr.json").write_text(json.dumps(metadata))
    return path


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_file, "exists but is not a sweep store"),
        (_folder, "exists but is not a sweep store"),
        (_foreign, "expected format 'skysweep', got None"),
        (_truncated, "zarr.json: damaged metadata"),
        (_newer, "store schema version 3, this program reads 1: "),
    ],
)
def test_what_is_no_store_of_ours_is_refused_untouched(
    tmp_path: Path, prepare: Callable[[Path], Path], message: str
) -> None:
    path = prepare(tmp_path / "a.zarr")
    before = snapshot(tmp_path)
    actions: list[Callable[[], Any]] = [lambda: publish(path, make_spec()), lambda: Store(path)]
    for action in actions:
        with pytest.raises(StoreError, match=message) as caught:
            action()
        assert "\n" not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"a\.zarr: no such store"):
        Store(tmp_path / "a.zarr")


@pytest.mark.parametrize("where", ["blocked/a.zarr", "blocked/deep/er/a.zarr", "x/a.zarr"])
def test_a_place_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, where: str) -> None:
    (tmp_path / "blocked").write_text("mine")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.zarr.sweep").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="in the way") as caught:
        publish(tmp_path / where, make_spec())
    assert "\n" not in str(caught.value)
    assert snapshot(tmp_path) == before


def test_a_disk_too_small_for_the_metadata_leaves_nothing_behind(
    tmpfs: Callable[[str], Path],
) -> None:
    folder = tmpfs("size=40k")
    with pytest.raises(StoreError, match="the disk is full"):
        publish(folder / "runs" / "a.zarr", make_spec())
    assert snapshot(folder) == {}


def test_a_read_only_folder_leaves_nothing_behind(tmpfs: Callable[[str], Path]) -> None:
    folder = tmpfs("ro")
    with pytest.raises(StoreError, match="the file system is read-only"):
        publish(folder / "runs" / "a.zarr", make_spec())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"attributes": {}}'])
@pytest.mark.parametrize("where", [".", "nll", "realisation"])
def test_damaged_metadata_are_named(tmp_path: Path, where: str, damage: str) -> None:
    path = tmp_path / "a.zarr"
    name = publish(path, make_spec())
    file = path / name / where / "zarr.json"
    file.write_text(damage)
    with pytest.raises(StoreError, match=r"damaged metadata") as caught:
        _ = Store(path).segments[name].spec, Store(path).segments[name].array("nll")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_coordinate_is_not_read_as_fill(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    name = publish(path, make_spec())
    (path / name / "realisation" / "c.0").unlink()
    with pytest.raises(StoreError, match="realisation/c.0: the chunk is missing"):
        _ = Store(path).segments[name].realisations
