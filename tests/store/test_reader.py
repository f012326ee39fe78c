import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.errors import StoreError
from sweep.store import Store, UnitWriter, compact, open_dataset, publish, seal, verify
from sweep.store.files import sidecar
from tests.small import listing

from .helpers import assert_expected, chunk, entry, fill, filled, make_spec, write_unit


def test_units_are_done_or_pending(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    units = Store(path).units()
    write_unit(UnitWriter(path), units[3])
    store = Store(path)
    assert store.done_units() == {units[3]}
    assert store.pending_units() == units[:3] + units[4:]


def test_published_pairs_of_all_segments_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec(range(2)))
    publish(path, make_spec(range(1), realisations=(7, 9)))
    store = Store(path)
    assert store.published(entry(0).identity) == {-1, 0, 1, 2, 3, 7, 9}
    assert store.published(entry(1).identity) == {-1, 0, 1, 2, 3}
    assert store.published(entry(5).identity) == set()


def test_a_chunk_without_a_record_is_not_data(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    for journal in (tmp_path / "a.zarr.sweep" / "journal").iterdir():
        journal.write_text("")
    store = Store(path)
    assert store.done_units() == set()
    with pytest.raises(StoreError, match="is not recorded"):
        store.read(store.units()[0], "nll")


def test_a_missing_or_short_chunk_is_never_read_as_fill(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    store = Store(path)
    unit = store.units()[0]
    file = chunk(path, unit, "nll")
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(StoreError, match=f"unit {unit}: the chunk of nll is damaged"):
        store.read(unit, "nll")
    file.unlink()
    with pytest.raises(StoreError, match=f"unit {unit}: the chunk of nll is missing") as caught:
        store.read(unit, "nll")
    assert "run `sweep-store verify`" in str(caught.value)


def test_a_flipped_bit_is_one_line(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    store = Store(path)
    unit = store.units()[0]
    file = chunk(path, unit, "nll")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="the chunk is damaged") as caught:
        store.read(unit, "nll")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(params=["store", "folder"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A store, and another path to it: by a link to itself, or to a folder above."""
    (tmp_path / "runs").mkdir()
    path = filled(tmp_path / "runs" / "a.zarr")
    if request.param == "folder":
        (tmp_path / "latest").symlink_to(tmp_path / "runs")
        return path, tmp_path / "latest" / "a.zarr"
    (tmp_path / "latest.zarr").symlink_to(path)
    return path, tmp_path / "latest.zarr"


def test_a_link_is_read_as_the_store_that_it_leads_to(link: tuple[Path, Path]) -> None:
    """Issue 17, point 4: the journals are beside the store, not beside the link."""
    path, other = link
    assert Store(other).path == path
    assert Store(other).records == Store(path).records
    assert verify(other).checked == len(Store(path).units())
    assert open_dataset(other).identical(open_dataset(path))


def test_what_is_written_through_a_link_is_beside_the_store(link: tuple[Path, Path]) -> None:
    """Issue 17, point 4: a store that was compacted through a link had nothing recorded."""
    path, other = link
    publish(other, make_spec(range(3, 5)))
    fill(other)
    seal(other)
    compact(other)
    assert Store(path).done_units()
    assert Store(path).pending_units() == ()
    assert {file.name for file in path.parent.iterdir()} == {"a.zarr", "a.zarr.sweep"}
    assert_expected(path)
    assert not sidecar(other).is_dir() or sidecar(other).resolve() == sidecar(path)


def test_a_link_to_nothing_is_where_a_store_is_made(tmp_path: Path) -> None:
    (tmp_path / "latest.zarr").symlink_to(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match=r"a.zarr: no such store"):
        Store(tmp_path / "latest.zarr")
    filled(tmp_path / "latest.zarr")
    assert_expected(tmp_path / "a.zarr")
    assert not sidecar(tmp_path / "latest.zarr").exists()


def test_links_in_a_circle_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").symlink_to(tmp_path / "b.zarr")
    (tmp_path / "b.zarr").symlink_to(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match="no such store"):
        Store(tmp_path / "a.zarr")


@pytest.mark.parametrize("use", [Store, open_dataset, compact, verify, seal, UnitWriter])
@pytest.mark.parametrize("address", ["s3://bucket/a.zarr", "file:///a.zarr", "me@host:/a.zarr"])
def test_an_address_is_no_store(
    use: Callable[[str], Any], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=f"^{address}: is an address"):
        use(address)
    with pytest.raises(StoreError, match=f"^{address}: is an address"):
        publish(address, make_spec())
    assert not list(tmp_path.iterdir())


def test_a_saved_dataset_is_no_store(tmp_path: Path) -> None:
    """Issue 17, point 4: it has the attributes of a store, and passed for an empty one."""
    filled(tmp_path / "a.zarr")
    saved = tmp_path / "b.zarr"
    with warnings.catch_warnings(action="ignore"):  # zarr's, of texts
        open_dataset(tmp_path / "a.zarr").to_zarr(saved)
    before = listing(saved)
    for use in (Store, open_dataset, compact, verify, seal, UnitWriter):
        with pytest.raises(StoreError, match=r"b.zarr: is no store but a dataset that was saved"):
            use(saved)
    with pytest.raises(StoreError, match=r"b.zarr: is no store but a dataset that was saved"):
        publish(saved, make_spec())
    assert listing(saved) == before
