import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.errors import StoreError
from sweep.store import Damage, Store, UnitWriter, open_dataset, publish, seal, verify
from sweep.store.files import sidecar
from sweep.store.records import tag

from .helpers import assert_expected, chunk, fill, filled, make_spec, write_unit


def _half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES = [(_half, "size"), (_flip, "hash"), (_empty, "size"), (Path.unlink, "missing")]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
@pytest.mark.parametrize("name", ["status", "beta_dust", "cmb"])
def test_damage_is_named_retracted_and_redone_alone(
    tmp_path: Path, name: str, damage: Callable[[Path], None], reason: str
) -> None:
    path = filled(tmp_path / "a.zarr")
    unit = Store(path).units()[-1]
    damage(chunk(path, unit, name))
    with pytest.raises(StoreError, match=f"sweep-store verify|{name}"):
        open_dataset(path)[name].load()
    found = verify(path, retract=False)
    assert found.damage == (Damage(unit, name, reason),)
    assert not found.clean
    assert Store(path).pending_units() == ()
    assert verify(path).retracted == (unit,)
    assert Store(path).pending_units() == (unit,)
    assert verify(path).clean
    fill(path)
    assert verify(path).clean
    assert_expected(path)


def test_leftovers_and_torn_lines_are_reported_and_harmless(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    unit = Store(path).units()[0]
    file = chunk(path, unit, "nll")
    leftover = file.with_name(file.name + ".0123.partial")
    leftover.write_bytes(b"half")
    (sidecar(path) / "journal" / f"{tag(path)}-dead.jsonl").write_text('{"kind": "do')
    report = verify(path)
    assert report.clean
    assert report.leftovers == (leftover,)
    assert report.skipped_lines == 1


def test_metadata_damage_is_reported_and_the_rest_still_checked(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    other = publish(path, make_spec(range(5, 6)))
    (path / other / "nll" / "zarr.json").write_text("{")
    (path / other / "realisation" / "c.0").unlink()
    report = verify(path)
    assert report.checked == 6
    (line,) = report.metadata
    assert other in line
    assert not report.clean


def test_a_lost_segment_is_reported(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    (name,) = Store(path).segments
    shutil.rmtree(path / name)
    (line,) = verify(path).metadata
    assert name in line


def _copy(path: Path) -> Path:
    copy = path.with_name("copy.zarr")
    shutil.copytree(path, copy)
    return copy


def test_a_sealed_copy_reads_the_same_without_journals(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    writer_units = Store(path).units()
    seal(path)
    assert Store(_copy(path)).done_units() == set()
    shutil.rmtree(tmp_path / "copy.zarr")
    writer = UnitWriter(path)
    for unit in writer_units[:4]:
        write_unit(writer, unit)
    seal(path)
    copy = _copy(path)
    assert not Store(copy).has_journals
    assert Store(copy).done_units() == set(writer_units[:4])
    assert open_dataset(copy).drop_attrs().identical(open_dataset(path).drop_attrs())
    assert_expected(copy)
    assert verify(copy).clean
    assert verify(copy).checked == 4
    assert not sidecar(copy).exists()


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES])
def test_damage_of_a_copy_is_found_and_only_that_redone(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = filled(tmp_path / "a.zarr")
    seal(path)
    copy = _copy(path)
    unit = Store(copy).units()[1]
    damage(chunk(copy, unit, "nll"))
    report = verify(copy)
    assert [(item.unit, item.array) for item in report.damage] == [(unit, "nll")]
    assert Store(copy).pending_units() == (unit,)
    fill(copy)
    assert verify(copy).clean
    assert_expected(copy)


def test_a_grown_copy_keeps_what_was_sealed(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.zarr")
    seal(path)
    copy = _copy(path)
    publish(copy, make_spec(range(5, 7)))
    assert len(Store(copy).done_units()) == 6
    UnitWriter(copy)
    assert len(Store(copy).done_units()) == 6
    fill(copy)
    assert Store(copy).pending_units() == ()
    assert_expected(copy)
