import importlib
import json
import os
import socket
from pathlib import Path

import numpy as np
import psutil
import pytest

from sweep.cli.store import main
from sweep.errors import StoreError
from sweep.statistics.summary import summary
from sweep.store import (
    Store,
    UnitWriter,
    WorkerInfo,
    compact,
    open_dataset,
    publish,
    seal,
    verify,
)
from sweep.store.files import sidecar
from sweep.store.journal import Journal
from sweep.store.records import tag

from .compaction import assert_whole, journals, killed_at
from .helpers import (
    assert_expected,
    chunk,
    entry,
    fill,
    filled,
    make_spec,
    snapshot,
    write_unit,
)

STEPS = (
    "built",
    "published",
    "recorded",
    "retracted",
    "moved",
    "deleted",
    "resting",
    "folded",
    "removed",
)


MODULE = importlib.import_module("sweep.store.compact")


def test_a_finished_segment_becomes_one_unit_with_the_same_values(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    for unit in Store(path).units():  # a journal a unit
        write_unit(UnitWriter(path), unit)
    before, table = open_dataset(path).load(), summary(open_dataset(path))
    (old,) = Store(path).segments.values()
    report = compact(path)
    assert report.compacted == (old.name,)
    assert report.unfinished == ()
    assert report.after < report.before / 2
    (new,) = Store(path).segments.values()
    assert new.layout.blocks == (1, 1)
    assert (new.ordinal, new.identities, new.realisations, new.provenance) == (
        old.ordinal,
        old.identities,
        old.realisations,
        old.provenance,
    )
    assert json.loads((new.folder / "zarr.json").read_text())["attributes"]["compacted_from"] == (
        old.name
    )
    assert open_dataset(path).load().identical(before)
    assert summary(open_dataset(path)).equals(table)
    assert len(journals(path)) == 1
    assert {p.name for p in path.iterdir()} == {"zarr.json", new.name}
    assert not [p for p in tmp_path.rglob("*") if "partial" in p.name or "claim" in p.name]
    assert_whole(path)


def test_the_configurations_and_records_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec(experiments=(entry(0, tol=None, bins=[1]), entry(1, tol=1e-3))))
    fill(path)
    before = Store(path)
    (old,) = before.segments.values()
    configs = [e.config for e in old.spec.experiments]
    compact(path)
    after = Store(path)
    (new,) = after.segments.values()
    assert [e.config for e in new.spec.experiments] == configs
    ((record,),) = after.records.values()
    assert record.seconds == sum(r.seconds for (r,) in before.records.values())
    counts: dict[str, int] = {}
    for (old_record,) in before.records.values():
        for name, count in old_record.statuses.items():
            counts[name] = counts.get(name, 0) + count
    assert record.statuses == counts


def test_a_second_compaction_changes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    compact(path)
    before = snapshot(tmp_path)
    report = compact(path)
    assert (report.compacted, report.journals) == ((), 0)
    assert report.before == report.after
    assert snapshot(tmp_path) == before


def test_no_chunk_is_cut_or_grows_beyond_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one fit has 52 harmonic coefficients of 8 bytes: 10 of them
    monkeypatch.setattr(MODULE, "LARGEST", 10 * 52 * 8)
    path = filled(tmp_path / "a.zarr", experiments_per_unit=1)
    compact(path)
    (new,) = Store(path).segments.values()
    assert (new.layout.experiments_per_unit, new.layout.block) == (2, 5)
    assert_whole(path)
    path = filled(tmp_path / "b.zarr", experiments_per_unit=2)
    monkeypatch.setattr(MODULE, "LARGEST", 1)
    assert compact(path).compacted == ()
    assert_whole(path)


def test_what_is_not_finished_is_left_and_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    name = publish(path, make_spec(range(5, 8), realisations=(0, 3)))
    units = [unit for unit in Store(path).units() if unit.segment == name]
    write_unit(UnitWriter(path), units[0])
    report = compact(path)
    assert report.unfinished == (name,)
    assert len(report.compacted) == 1
    assert Store(path).pending_units() == tuple(units[1:])
    assert_expected(path)
    assert verify(path).clean
    fill(path)
    assert compact(path).compacted == (name,)
    assert_whole(path)


def test_growth_goes_on_after_compaction(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    compact(path)
    assert Store(path).published(entry(1).identity) == {-1, 0, 1, 2, 3}
    publish(path, make_spec(realisations=(4, 9)))
    assert Store(path).published(entry(1).identity) == {-1, 0, 1, 2, 3, 4, 9}
    fill(path)
    assert len(open_dataset(path)["realisation"]) == 7
    assert_whole(path)
    assert len(compact(path).compacted) == 1
    assert_whole(path)


def test_the_place_among_segments_of_one_ordinal_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for numbers in (range(2), range(2, 4), range(4, 6)):
        publish(path, make_spec(numbers))
    for segment in path.glob("segment-*"):
        file = segment / "zarr.json"
        metadata = json.loads(file.read_text())
        metadata["attributes"]["ordinal"] = 0
        file.write_text(json.dumps(metadata))
    fill(path)
    order = open_dataset(path)["identity"].values.tolist()
    assert len(compact(path).compacted) == 3
    assert open_dataset(path)["identity"].values.tolist() == order


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_all_and_the_next_goes_on(tmp_path: Path, step: str) -> None:
    path = filled(tmp_path / "a.zarr")
    publish(path, make_spec(range(7, 9), maps=None))
    fill(path)
    expected = open_dataset(path).load()
    killed_at(path, step)
    assert open_dataset(path).load().identical(expected.assign_attrs(open_dataset(path).attrs))
    assert_whole(path)
    compact(path)
    assert_whole(path)
    assert all(s.layout.blocks == (1, 1) for s in Store(path).segments.values())
    assert len(Store(path).segments) == 2
    assert len(journals(path)) == 1
    assert not [p for p in tmp_path.rglob("*") if "partial" in p.name or "claim" in p.name]


def test_a_half_recorded_copy_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "LARGEST", 10 * 52 * 8)
    path = filled(tmp_path / "a.zarr", experiments_per_unit=1)
    (old,) = Store(path).segments
    killed_at(path, "recorded")
    (late,) = (s for s in Store(path).segments.values() if s.name != old)
    store = Store(path)
    last = list(late.units())[-1]
    Journal(path, WorkerInfo.create()).retract(store.records[last], "as if never written")
    lazy = open_dataset(path)
    assert compact(path).compacted == (old,)
    assert late.name not in Store(path).segments
    assert_whole(path)
    assert np.isfinite(lazy["nll"].values).all()


@pytest.mark.parametrize("damage", ["gone", "short", "flipped"])
def test_a_damaged_chunk_stops_it_and_nothing_has_changed(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path / "a.zarr")
    file = chunk(path, Store(path).units()[3], "cmb")
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data[:-1] if damage == "short" else data)
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="run `sweep-store verify`") as caught:
        compact(path)
    assert str(file) in str(caught.value)
    assert snapshot(tmp_path) == before
    assert verify(path).retracted
    assert compact(path).unfinished
    fill(path)
    assert compact(path).compacted
    assert_whole(path)


def test_a_copy_without_journals_is_compacted_too(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    seal(path)
    path.rename(tmp_path / "b.zarr")
    assert len(compact(tmp_path / "b.zarr").compacted) == 1
    assert_whole(tmp_path / "b.zarr")
    (tmp_path / "b.zarr").rename(tmp_path / "c.zarr")  # sealed as well
    assert_whole(tmp_path / "c.zarr")


def claim(path: Path, **changes: object) -> Path:
    file = sidecar(path) / f"{tag(path)}-compact.claim"
    me = psutil.Process()
    holder = {"host": socket.gethostname(), "pid": me.pid, "started": me.create_time()}
    file.write_text(json.dumps(holder | changes))
    return file


@pytest.mark.parametrize("changes", [{}, {"host": "elsewhere"}, {"pid": "x"}])
def test_two_at_once_are_kept_apart(tmp_path: Path, changes: dict[str, object]) -> None:
    path = filled(tmp_path / "a.zarr")
    file = claim(path, **changes)
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="remove") as caught:
        compact(path)
    assert str(file) in str(caught.value)
    if "pid" not in changes:
        assert f"pid {os.getpid()}" in str(caught.value)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("changes", [{"pid": 2**30}, {"started": 5.0}])
def test_the_claim_of_a_dead_process_is_taken_over(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = filled(tmp_path / "a.zarr")
    file = claim(path, **changes)
    assert compact(path).compacted
    assert not file.exists()


def test_no_store_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        compact(tmp_path / "a.zarr")
    assert snapshot(tmp_path) == {}


def test_each_chunk_is_read_and_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path / "a.zarr")
    (segment,) = Store(path).segments.values()
    read: list[str] = []
    read_bytes = Path.read_bytes

    def counted(file: Path) -> bytes:
        if file.name.startswith("c.") and file.parent.name in segment.layout.variables:
            read.append(f"{file.parent.name}/{file.name}")
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", counted)
    compact(path)
    assert len(read) == len(set(read))
    assert len(read) == len(list(segment.units())) * len(segment.layout.variables)


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled(tmp_path / "a.zarr")
    name = publish(path, make_spec(range(7, 9)))
    main(["compact", str(path)])
    out = capsys.readouterr().out
    assert "compacted: 1 segments; " in out
    assert f"left as it is, units of it are missing: {name}" in out
    claim(path)
    with pytest.raises(SystemExit) as caught:
        main(["compact", str(path)])
    assert caught.value.code == StoreError.exit_code
    assert f"pid {os.getpid()}" in capsys.readouterr().err
