import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import StoreError
from sweep.store import Segment, Store, Unit, UnitWriter, open_dataset, publish

from .helpers import HELD, assert_expected, entry, fill, filled, make_spec, write_unit


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[Unit, str]]:
    """Counts the reads of every chunk."""
    reads: Counter[tuple[Unit, str]] = Counter()
    read_chunk = Segment.read_chunk

    def counted(segment: Segment, unit: Unit, name: str) -> np.ndarray:
        reads[unit, name] += 1
        return read_chunk(segment, unit, name)

    monkeypatch.setattr(Segment, "read_chunk", counted)
    return reads


def test_every_variable_and_coordinate_says_its_units(tmp_path: Path) -> None:
    dataset = open_dataset(filled(tmp_path / "a.zarr"))
    assert set(dataset.data_vars) == set(HELD)
    for array in dataset.variables.values():
        assert array.attrs["units"]
        assert array.attrs["long_name"]
    assert dataset["status"].attrs["flag_meanings"].startswith("pending converged")
    assert dataset["stokes"].values.tolist() == ["Q", "U"]


def test_opening_reads_no_chunk_and_a_read_only_its_own(
    tmp_path: Path, touched: Counter[tuple[Unit, str]]
) -> None:
    path = filled(tmp_path / "a.zarr")
    dataset = open_dataset(path)
    repr(dataset)
    assert not touched
    dataset["nll"].isel(experiment=2, realisation=slice(0, 3)).load()
    (name,) = Store(path).segments
    assert touched == {(Unit(name, 1, 0), "nll"): 1, (Unit(name, 1, 1), "nll"): 1}
    touched.clear()
    dataset["beta_dust"].load()
    assert set(touched.values()) == {1}
    assert len(touched) == 6


def test_indexing_agrees_with_the_loaded_dataset(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    lazy, loaded = open_dataset(path), open_dataset(path).load()
    selections: list[dict[str, Any]] = [
        {"experiment": 1},
        {"experiment": -1, "realisation": [3, 0, 0]},
        {"realisation": slice(None, None, -2)},
        {"experiment": [2, 0], "pixel": slice(1, 3), "stokes": 1},
        {"experiment": [], "cluster_beta_dust": 2},
        {"experiment": 0, "realisation": 0, "pixel": 0, "stokes": 0},
    ]
    for selection in selections:
        got = lazy.isel(selection)
        assert got.identical(loaded.isel(selection)), selection
    assert lazy["nll"].sel(realisation=-1).equals(loaded["nll"].sel(realisation=-1))
    chosen = lazy["nll"].where(lazy["clusters.beta_dust"] == 20, drop=True)
    assert chosen.shape == (1, 5)


def test_growth_merges_into_one_dataset(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec(range(2)))
    fill(path)
    publish(
        path,
        make_spec(
            [1, 4],
            realisations=(5, 6, 9),
            clusters={"beta_dust": 5, "temp_dust": 1, "beta_pl": 2},
            pixels=(7, 3, 100),
            maps="float64",
        ),
    )
    publish(path, make_spec([8], maps=None, parameters=False, nside=8, block=5))
    fill(path)
    dataset = open_dataset(path)
    assert dict(dataset.sizes) == {
        "experiment": 4,
        "realisation": 8,
        "cluster_beta_dust": 5,
        "cluster_temp_dust": 2,
        "cluster_beta_pl": 2,
        "stokes": 2,
        "pixel": 6,
        "multipole": 16,
        "harmonic": 168,
    }
    assert dataset["multipole"].values.tolist() == list(range(2, 18))
    assert dataset["identity"].values.tolist() == [entry(k).identity for k in (0, 1, 4, 8)]
    assert dataset["realisation"].values.tolist() == [-1, 0, 1, 2, 3, 5, 6, 9]
    assert dataset["healpix_index"].values.tolist() == [0, 3, 5, 7, 40, 100]
    assert dataset["clusters.beta_dust"].values.tolist() == [10, 20, 50, 90]
    assert dataset["cmb"].dtype == "float64"
    assert_expected(path)


def test_of_racing_segments_the_recorded_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for _ in range(2):
        publish(path, make_spec())
    first, second = Store(path).segments.values()
    writer = UnitWriter(path)
    write_unit(writer, next(iter(second.units())))
    assert (open_dataset(path)["status"].values != 0).sum() == 4
    for unit in first.units():
        write_unit(writer, unit)
    assert_expected(path)
    assert dict(open_dataset(path).sizes)["experiment"] == 3


def test_of_two_recorded_the_first_published_wins(
    tmp_path: Path, touched: Counter[tuple[Unit, str]]
) -> None:
    path = tmp_path / "a.zarr"
    for _ in range(2):
        publish(path, make_spec())
    fill(path)
    open_dataset(path)["nll"].load()
    assert {unit.segment for unit, _ in touched} == {next(iter(Store(path).segments))}


def test_configuration_coordinates_are_plain(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(
        path,
        make_spec(
            experiments=(
                entry(0, **{"noise.ratio": 1.0, "fit.bins": [1, 2], "fit.fast": True, "x": None}),
                entry(1, **{"noise.ratio": 1.0, "fit.bins": [], "fit.fast": False, "x": 3}),
                entry(2, **{"noise.ratio": 1.0, "fit.bins": [], "fit.fast": False, "only": "me"}),
            )
        ),
    )
    dataset = open_dataset(path)
    assert dataset["solver"].values.tolist() == ["newton"] * 3
    assert dataset["noise.ratio"].values.tolist() == [1.0] * 3
    assert dataset["clusters.beta_dust"].dtype == "int64"
    assert dataset["fit.bins"].values.tolist() == ["[1, 2]", "[]", "[]"]
    assert dataset["fit.fast"].dtype == bool
    np.testing.assert_array_equal(dataset["x"], [np.nan, 3, np.nan])
    assert dataset["only"].values.tolist() == ["", "", "me"]
    assert "sky.nside" not in dataset.coords
    assert json.loads(dataset.attrs["base"])["sky.nside"] == 4
    assert json.loads(dataset.attrs["provenance"]) == [{"versions": {"sweep": "0.1"}}]
    assert dataset.attrs["schema_version"] == 1


def test_a_store_without_segments_is_an_empty_dataset(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    name = publish(path, make_spec())
    (path / name).rename(tmp_path / "gone")
    assert dict(open_dataset(path).sizes) == {"experiment": 0, "realisation": 0}


def test_maps_of_two_resolutions_need_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    publish(path, make_spec([7], nside=8))
    with pytest.raises(StoreError, match="open it with nside=4"):
        open_dataset(path)
    assert open_dataset(path, nside=8).sizes["experiment"] == 1


def test_a_missing_chunk_is_an_error_of_the_dataset(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    (segment,) = Store(path).segments.values()
    unit = next(iter(segment.units()))
    segment.chunk_file(unit, "nll").unlink()
    dataset = open_dataset(path)
    with pytest.raises(StoreError, match=f"unit {unit}: the chunk of nll is missing"):
        dataset["nll"].load()
    assert (dataset["nll"].isel(realisation=[2, 3, 4]).values < np.inf).all()
