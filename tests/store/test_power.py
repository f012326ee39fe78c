"""Power that fails between any two calls to the file system, simulated: LazyFS is not at hand."""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sweep.store import Store, Unit, UnitWriter, publish, seal, verify
from sweep.store.records import hash_file

from .helpers import fill, make_spec, snapshot, write_unit
from .power import Disk, Tree, build

SPEC = make_spec(
    range(2), realisations=(0, 1), block=2, experiments_per_unit=1, maps=None, spectra=None
)
MORE = make_spec(
    range(1), realisations=(2,), block=2, maps=None, spectra=None, experiments_per_unit=1
)


@dataclass
class Promised:
    """What calls that have returned said is there to stay."""

    segments: set[str] = field(default_factory=set)
    units: set[Unit] = field(default_factory=set)

    def copy(self) -> "Promised":
        return Promised(set(self.segments), set(self.units))


def digest(tree: Tree) -> str:
    """Of what counts: what ends in `.partial` is nobody's."""
    counts = sorted((p, c) for p, c in tree.items() if ".partial" not in p)
    return hashlib.sha256(repr(counts).encode()).hexdigest()


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple], Counter[str]]:
    """A store as made without loss, and all that a loss may leave of it, with what was promised."""
    root = tmp_path_factory.mktemp("disk")
    path = root / "runs" / "a.zarr"
    rng, promised = random.Random(1), Promised()
    found: dict[str, tuple[Tree, Promised]] = {}

    def look(disk: Disk) -> None:
        for tree in (disk.lost(), disk.emptied(), disk.mixed(rng)):
            found[digest(tree)] = tree, promised.copy()

    disk = Disk(root, look)
    with pytest.MonkeyPatch.context() as patch:
        disk.follow(patch)
        for spec in (SPEC, MORE):
            promised.segments.add(publish(path, spec))
            writer = UnitWriter(path)
            for unit in Store(path).pending_units():
                write_unit(writer, unit)
                promised.units.add(unit)
        seal(path)
        look(disk)
    disk.close()
    return path, found, Counter(disk.calls)


def test_nothing_that_was_promised_is_lost_and_nothing_is_half(
    states: tuple[Path, dict[str, tuple], Counter[str]], tmp_path: Path
) -> None:
    whole, found, calls = states
    made = {s: snapshot(whole / s) for s in Store(whole).segments}
    assert calls["fsync"] > 100
    assert len(found) > 100
    seen = Counter()
    for number, (tree, promised) in enumerate(found.values()):
        path = tmp_path / str(number) / "runs" / "a.zarr"
        build(tree, tmp_path / str(number))
        segments = {}
        if path.exists():
            store = Store(path)
            segments = store.segments
            for name, segment in segments.items():
                variables = segment.layout.variables
                assert {f: c for f, c in made[name].items() if not is_chunk(f, variables)} == {
                    f: c for f, c in snapshot(path / name).items() if not is_chunk(f, variables)
                }
            for unit, records in store.records.items():
                for record in records:
                    for name, file in record.files.items():
                        chunk = segments[unit.segment].chunk_file(unit, name)
                        assert hash_file(chunk) == file
            assert promised.units <= store.done_units()
            seen["recorded"] += len(store.done_units())
        assert promised.segments <= set(segments)
        seen[len(segments)] += 1
    assert seen[0] > 0 < seen[1]
    assert seen[2] > 0 < seen["recorded"]


def is_chunk(file: str, variables: tuple[str, ...]) -> bool:
    """Whether workers write it, or a seal: it may be there or not, as records say."""
    array, _, name = file.partition("/")
    return name.startswith("c.") and (array in variables or array == "recorded")


def test_every_state_can_be_resumed(
    states: tuple[Path, dict[str, tuple], Counter[str]], tmp_path: Path
) -> None:
    _, found, _ = states
    rng = random.Random(2)
    for number, (tree, _) in enumerate(rng.sample(list(found.values()), 25)):
        path = tmp_path / str(number) / "runs" / "a.zarr"
        build(tree, tmp_path / str(number))
        if not path.exists() or not Store(path).segments:
            publish(path, SPEC)
        fill(path)
        assert Store(path).pending_units() == ()
        assert verify(path).clean
