"""Readers and workers that go on while a store is compacted."""

import os
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import StoreError
from sweep.store import (
    Store,
    UnitWriter,
    WorkerInfo,
    compact,
    open_dataset,
    publish,
    reader,
    verify,
)
from sweep.store.files import sidecar
from sweep.store.journal import Journal
from sweep.store.records import tag
from sweep.testing.small import arrays, grid, run

from .compaction import assert_whole, journals, killed_at, started
from .helpers import (
    fill,
    filled,
    make_spec,
    write_unit,
)

READING = """
import sys
from pathlib import Path
import numpy as np
from sweep.store import Store, open_dataset

path, stop, rounds = Path(sys.argv[1]), Path(sys.argv[2]), 0
lazy = open_dataset(path)
expected = lazy["nll"].values
while not stop.exists():
    for dataset in (lazy, open_dataset(path)):
        np.testing.assert_array_equal(dataset["nll"].values, expected)
    assert Store(path).pending_units() == ()
    rounds += 1
    print(rounds, flush=True)
"""


def test_a_lazy_dataset_goes_on_when_its_segments_are_replaced(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    name = publish(
        path, make_spec(range(3, 5), clusters={p: 4 for p in ("beta_dust", "temp_dust", "beta_pl")})
    )
    half = [unit for unit in Store(path).units() if unit.segment == name][0]
    write_unit(UnitWriter(path), half)
    expected, lazy = open_dataset(path).load(), open_dataset(path)
    fill(path)
    publish(path, make_spec(range(8, 9), realisations=(77,)))
    assert len(compact(path).compacted) == 2
    # as it was at opening, also where units were recorded since
    assert lazy.load().identical(expected)
    assert open_dataset(path).sizes["experiment"] == 6


def test_a_lazy_dataset_says_when_its_data_are_gone_for_good(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    lazy = open_dataset(path)
    (name,) = Store(path).segments
    (path / name).rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="15 recorded fits are gone"):
        lazy["nll"].load()


def test_a_reader_in_a_loop_meets_no_moment_without_the_data(tmp_path: Path) -> None:
    path, stop = tmp_path / "a.zarr", tmp_path / "stop"
    for k in range(6):
        publish(path, make_spec(range(3 * k, 3 * k + 3), maps=None))
        fill(path)
    reader = started(READING, path, stop)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "1\n"
    report = compact(path)
    stop.touch()
    rounds, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert rounds
    assert len(report.compacted) == 6
    assert_whole(path)


@pytest.mark.parametrize("between", ["load_segments", "read_journals"])
def test_a_snapshot_is_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    path = filled(tmp_path / "a.zarr")
    read = getattr(reader, between)
    once: list[object] = []

    def late(place: Path) -> object:
        if not once:
            once.append(None)
            once.append(compact(place))
        return read(place)

    monkeypatch.setattr(reader, between, late)
    store = Store(path)
    assert store.pending_units() == ()
    assert len(store.done_units()) == 1
    assert len(once) == 2


@pytest.mark.parametrize("step", ["published", "recorded", "retracted", "moved", "folded"])
def test_every_step_is_whole_for_who_opens_then(tmp_path: Path, step: str) -> None:
    path = filled(tmp_path / "a.zarr")
    expected, early = open_dataset(path).load(), open_dataset(path)
    seen = []

    def look(reached: str) -> None:
        if reached == step:
            for dataset in (early, open_dataset(path)):
                seen.append(dataset.load().equals(expected))
            assert Store(path).pending_units() == ()
            assert verify(path, retract=False).clean

    compact(path, checkpoint=look)
    assert seen == [True, True]


def test_lines_of_running_workers_outlive_the_fold(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    name = publish(path, make_spec(range(5, 8)))
    first, second, third, *_ = (u for u in Store(path).units() if u.segment == name)
    worker = UnitWriter(path)
    write_unit(worker, first)
    journal = sidecar(path) / "journal" / f"{tag(path)}-{worker.worker.id}.jsonl"
    late = os.open(journal, os.O_WRONLY | os.O_APPEND)
    other = UnitWriter(path)
    write_unit(other, second)
    (line,) = (p for p in journals(path) if other.worker.id in p.name)
    data = line.read_bytes()
    line.unlink()

    def go_on(reached: str) -> None:
        if reached == "resting":  # opened before the fold, written after
            os.write(late, data)
            write_unit(worker, third)

    compact(path, checkpoint=go_on)
    os.close(late)
    assert {first, second, third} <= Store(path).done_units()
    assert journal.exists()
    assert verify(path).clean


def test_retractions_outlive_the_fold_as_long_as_their_records(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    name = publish(path, make_spec(range(5, 8)))
    fill(path)
    bad = next(u for u in Store(path).units() if u.segment == name)
    journal = Journal(path, WorkerInfo.create())
    journal.retract(Store(path).records[bad], "test")
    killed_at(path, "folded")
    assert Store(path).pending_units() == (bad,)
    for resting in journals(path):  # the next that the killed one would have removed
        if b"retract" in resting.read_bytes() and "folded" not in resting.name:
            resting.unlink()
    assert Store(path).pending_units() == (bad,)
    compact(path)
    assert Store(path).pending_units() == (bad,)
    (folded,) = journals(path)
    assert b"retract" not in folded.read_bytes()
    # a retraction that is folded before its record is kept
    write_unit(UnitWriter(path), bad)
    (record,) = Store(path).records[bad]
    (there,) = (p for p in journals(path) if p != folded)
    line = there.read_bytes()
    there.unlink()
    journal.retract([record], "test")
    compact(path)
    there.write_bytes(line)
    assert Store(path).pending_units() == (bad,)


def test_a_late_record_of_a_replaced_segment_is_forgotten(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    old = Store(path)
    (record,) = old.records[old.units()[0]]
    compact(path)
    Journal(path, WorkerInfo.create()).done(record.unit, record.files, {}, 1.0, 1)
    assert not verify(path).clean
    compact(path)
    assert_whole(path)


def test_the_failures_of_a_replaced_segment_are_history(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    unit = Store(path).units()[0]
    UnitWriter(path).fail(unit, RuntimeError("once"), attempt=1)
    assert len(Store(path).errors()) == 1
    compact(path)
    assert Store(path).errors() == []


def test_a_launch_on_a_compacted_store_computes_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    points = ("noise.ratio=1", "noise.ratio=2")
    run(grid(path, *points))
    before = arrays(path)
    compact(path)
    again = run(grid(path, *points))
    assert (again.outcomes, again.missing) == ((), 0)
    more = run(grid(path, *(f"{point} noise.realisations=3" for point in points)))
    assert sum(len(outcome.task.realisations) for outcome in more.outcomes) > 0
    assert {n for outcome in more.outcomes for n in outcome.task.realisations} == {2}
    assert Store(path).pending_units() == ()
    after = arrays(path)
    assert after["nll"].shape == (2, 3)
    np.testing.assert_array_equal(after["nll"][:, :2], before["nll"])
    assert verify(path).clean
