import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from sweep.errors import StoreError
from sweep.store import Store, UnitWriter, WorkerInfo, publish, seal, verify
from sweep.store.files import sidecar
from sweep.store.journal import Journal, LineWriter
from sweep.store.records import tag

from .helpers import assert_expected, chunk, fill, filled, make_spec, write_unit


def _journals(path: Path) -> list[Path]:
    return sorted((sidecar(path) / "journal").glob("*.jsonl"))


def test_a_torn_last_line_is_counted_and_its_unit_redone(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    (journal,) = (file for file in _journals(path) if file.stat().st_size)
    whole = journal.read_bytes()
    for missing in (1, 2, 100):
        journal.write_bytes(whole[:-missing])
        store = Store(path)
        assert store.skipped_lines == 1
        assert len(store.pending_units()) == 1
    fill(path)
    assert Store(path).pending_units() == ()
    assert_expected(path)


@pytest.mark.parametrize(
    "line", [b"\x00" * 40, b"\xff\xfe", b"[]", b'{"kind": "done"}', b'{"kind": "else"}', b"7"]
)
def test_foreign_lines_are_skipped_and_counted(tmp_path: Path, line: bytes) -> None:
    path = filled(tmp_path / "a.zarr")
    (sidecar(path) / "journal" / f"{tag(path)}-other.jsonl").write_bytes(line + b"\n\n")
    assert Store(path).skipped_lines == 1
    assert Store(path).pending_units() == ()


def test_a_short_write_does_not_swallow_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LineWriter(tmp_path / "x.jsonl")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
    with pytest.raises(StoreError, match="cannot write"):
        writer.append({"lost": 1})
    monkeypatch.undo()
    writer.append({"kept": 2})
    assert (tmp_path / "x.jsonl").read_text().splitlines() == ['{"los', '{"kept":2}']


def test_a_retracted_record_makes_its_unit_pending_until_redone(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    unit = Store(path).units()[2]
    Journal(path, WorkerInfo.create()).retract(Store(path).records[unit], "test")
    assert Store(path).pending_units() == (unit,)
    write_unit(UnitWriter(path), unit)
    assert Store(path).pending_units() == ()


def test_each_worker_has_its_own_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    for unit in Store(path).units():
        write_unit(UnitWriter(path), unit)
    assert len([file for file in _journals(path) if file.stat().st_size]) == 6
    assert Store(path).pending_units() == ()


def test_a_line_is_one_synced_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    write, fsync = os.write, os.fsync

    def counted_write(descriptor: int, data: Any) -> int:
        calls.append("write")
        return write(descriptor, data)

    def counted_fsync(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    monkeypatch.setattr(os, "write", counted_write)
    monkeypatch.setattr(os, "fsync", counted_fsync)
    writer = LineWriter(tmp_path / "x.jsonl")
    writer.append({"a": 1})
    writer.append({"a": 2})
    assert calls == ["write", "fsync", "fsync", "write", "fsync"]
    assert writer.file.read_text() == '{"a":1}\n{"a":2}\n'


def test_a_copied_store_adopts_what_was_sealed_and_is_sound(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    seal(path)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(path, copy)
    damaged, *sound = Store(path).units()
    chunk(copy, damaged, "nll").write_bytes(b"torn")
    Journal(copy, WorkerInfo.create())
    known, adopted = Store(path).records, Store(copy).records
    assert adopted.keys() == set(sound)
    for unit in sound:
        (was,), (record,) = known[unit], adopted[unit]
        assert (record.files, record.statuses) == (was.files, was.statuses)


def test_a_record_says_how_long_and_how_often(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    unit = Store(path).units()[0]
    Journal(path, WorkerInfo.create()).done(unit, {}, {"converged": 4}, 2.5, 3)
    (record,) = Store(path).records[unit]
    assert (record.statuses, record.seconds, record.attempt) == ({"converged": 4}, 2.5, 3)


def test_an_error_says_whether_it_was_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    journal = Journal(path, WorkerInfo.create())
    unit = Store(path).units()[0]
    for final in (False, True):
        journal.error(unit, "out of memory", "", 1, final)
    assert [failure.final for failure in Store(path).errors()] == [False, True]


def test_a_copy_beside_journals_of_another_store_is_as_it_was_sealed(tmp_path: Path) -> None:
    """Issue 17, point 4: a deleted store of the same name had left its folder."""
    filled(tmp_path / "old.zarr")
    path = filled(tmp_path / "a.zarr")
    seal(path)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(path, copy)
    shutil.copytree(sidecar(tmp_path / "old.zarr"), sidecar(copy))
    assert Store(copy).done_units() == Store(path).done_units()
    assert verify(copy).checked == len(Store(path).units())
    Journal(copy, WorkerInfo.create())
    assert Store(copy).records.keys() == set(Store(path).units())
    assert_expected(copy)


def test_a_copy_of_which_nothing_is_sound_is_pending(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    seal(path)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(path, copy)
    for unit in Store(copy).units():
        chunk(copy, unit, "nll").write_bytes(b"torn")
    Journal(copy, WorkerInfo.create())
    assert Store(copy).pending_units() == Store(path).units()
