from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import StoreError
from sweep.store import Store, UnitWriter, WorkerInfo, publish, verify

from .helpers import (
    assert_expected,
    chunk,
    fill,
    filled,
    make_spec,
    snapshot,
    unit_arrays,
    write_unit,
)

STEPS = ("chunk:status", "chunk:nll", "chunk:cmb", "synced", "hashed", "recorded")


class Crash(BaseException):
    """A death that no handler may catch."""


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    assert_expected(path, recorded=[])
    fill(path)
    assert Store(path).pending_units() == ()
    assert_expected(path)
    assert verify(path).clean


def test_a_record_tells_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    worker = WorkerInfo.create()
    writer = UnitWriter(path, worker)
    unit = Store(path).units()[0]
    arrays = unit_arrays(writer.segment(unit.segment), unit)
    arrays["status"][:] = [[1, 2], [1, 5]]
    record = writer.write(unit, arrays, seconds=2.5, attempt=2)
    assert Store(path).records == {unit: (record,)}
    assert record.statuses == {"converged": 2, "max_steps": 1, "stalled": 1}
    assert (record.seconds, record.attempt, record.worker) == (2.5, 2, worker.id)
    assert set(record.files) == set(arrays)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_unit_recorded_or_pending(tmp_path: Path, step: str) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())

    def die(reached: str) -> None:
        if reached == step:
            raise Crash

    with pytest.raises(Crash):
        fill(path, checkpoint=die)
    assert len(Store(path).done_units()) == (step == "recorded")
    assert_expected(path)
    fill(path)
    assert Store(path).pending_units() == ()
    assert_expected(path)
    assert verify(path).clean


@pytest.mark.parametrize("kills", [10, pytest.param(40, marks=pytest.mark.soak)])
def test_kills_lose_nothing(kills: int, tmp_path: Path, processes: Callable[..., str]) -> None:
    path = tmp_path / "a.zarr"
    spec = make_spec(
        range(1), realisations=tuple(range(-1, 199)), block=1, maps=None, parameters=False
    )
    publish(path, spec)
    killed = int(processes("kill_loop", path, kills))
    assert killed >= 0.75 * kills
    assert_expected(path)
    fill(path)
    report = verify(path)
    assert report.clean
    assert report.checked == 200
    assert_expected(path)


def test_a_unit_of_fill_values_is_still_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    writer = UnitWriter(path)
    unit = Store(path).units()[0]
    arrays = unit_arrays(writer.segment(unit.segment), unit)
    for name, values in arrays.items():
        if values.dtype.kind == "f":
            arrays[name] = np.full_like(values, np.nan)
    arrays["iterations"][:] = -1
    writer.write(unit, arrays, seconds=1.0)
    assert all(chunk(path, unit, name).stat().st_size > 0 for name in arrays)
    assert np.isnan(Store(path).read(unit, "nll")).all()
    assert verify(path).clean


def test_arrays_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    writer = UnitWriter(path)
    unit = Store(path).units()[0]
    good = unit_arrays(writer.segment(unit.segment), unit)
    pending = good["status"].copy()
    pending[0, 0] = 0
    before = snapshot(tmp_path)
    for bad, message in (
        ({k: v for k, v in good.items() if k != "nll"}, r"missing \['nll'\]"),
        (good | {"extra": good["nll"]}, r"unknown \['extra'\]"),
        (good | {"nll": good["nll"][:1]}, "nll: expected shape"),
        (good | {"nll": good["nll"].astype("float32")}, "got .* float32"),
        (good | {"status": pending}, "status: expected how each fit ended"),
    ):
        with pytest.raises(StoreError, match=message):
            writer.write(unit, bad, seconds=1.0)
    assert snapshot(tmp_path) == before


def test_two_workers_on_one_unit_both_count_and_verify(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    unit = Store(path).units()[0]
    for seconds in (1.0, 2.0):
        writer = UnitWriter(path)
        arrays = unit_arrays(writer.segment(unit.segment), unit)
        arrays["seconds"] = np.full_like(arrays["seconds"], seconds)
        writer.write(unit, arrays, seconds=seconds)
    assert len(Store(path).records[unit]) == 2
    assert verify(path).clean
    assert (Store(path).read(unit, "seconds") == 2.0).all()


def test_a_damaged_ragged_chunk_can_be_rewritten(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    last = Store(path).units()[-1]
    chunk(path, last, "nll").write_bytes(b"torn")
    write_unit(UnitWriter(path), last)
    assert_expected(path)
    assert verify(path).clean


def test_a_full_disk_is_one_line_and_resumes_after_freeing(tmpfs: Callable[[str], Path]) -> None:
    path = tmpfs("size=400k") / "a.zarr"
    publish(path, make_spec(range(1), realisations=tuple(range(20)), block=1))
    with pytest.raises(StoreError, match="the disk is full") as caught:
        fill(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert Store(path).pending_units()
    assert verify(path).clean
    assert_expected(path)
    tmpfs("size=64M")
    fill(path)
    assert verify(path).checked == 20
    assert_expected(path)


def test_inodes_used_up_are_said_so(tmpfs: Callable[[str], Path]) -> None:
    path = tmpfs("size=8M,nr_inodes=100") / "a.zarr"
    publish(path, make_spec())
    with pytest.raises(StoreError, match="no inodes left"):
        fill(path)
    assert verify(path).clean
    tmpfs("nr_inodes=1000")
    fill(path)
    assert_expected(path)


def test_a_read_only_store_reads_and_refuses_writers(tmpfs: Callable[[str], Path]) -> None:
    path = filled(tmpfs("size=8M") / "a.zarr")
    unit = Store(path).units()[0]
    chunk(path, unit, "cmb").write_bytes(b"")
    tmpfs("ro")
    writer = UnitWriter(path)
    with pytest.raises(StoreError, match="the file system is read-only"):
        write_unit(writer, unit)
    with pytest.raises(StoreError, match="the file system is read-only"):
        publish(path, make_spec())
    report = verify(path)
    assert [(item.unit, item.array) for item in report.damage] == [(unit, "cmb")]
    assert report.retracted == ()
    tmpfs("rw")
    assert verify(path).retracted == (unit,)


def test_system_errors_are_logged_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    unit = Store(path).units()[1]
    try:
        raise RuntimeError("out of\nmemory")
    except RuntimeError as error:
        UnitWriter(path).fail(unit, error, attempt=2)
    (failure,) = Store(path).errors()
    assert (failure.unit, failure.attempt) == (unit, 2)
    assert failure.message == "RuntimeError: out of memory"
    assert "Traceback" in failure.traceback
    assert failure.final
    assert unit in Store(path).pending_units()


def test_an_error_without_a_word_has_its_type_for_a_message(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    UnitWriter(path).fail(Store(path).units()[0], MemoryError(), attempt=1, final=False)
    (failure,) = Store(path).errors()
    assert failure.message == "MemoryError: MemoryError"
    assert not failure.final


def test_damaged_metadata_are_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    unit = Store(path).units()[0]
    writer = UnitWriter(path)
    arrays = unit_arrays(writer.segment(unit.segment), unit)
    (path / unit.segment / "nll" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="nll.*damaged"):
        writer.write(unit, arrays, seconds=1.0)
    assert Store(path).done_units() == set()
