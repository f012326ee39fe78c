from pathlib import Path

import pytest

from sweep.errors import StoreError
from sweep.store import Store, UnitWriter, publish

from .helpers import chunk, entry, filled, make_spec, write_unit


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
