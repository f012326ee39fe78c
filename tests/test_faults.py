"""Random mixes of faults, growth and compaction against a model; workers that are late."""

import functools
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sweep import worker
from sweep.errors import StoreError
from sweep.store import Store, Unit, UnitWriter, compact, open_dataset, verify
from sweep.store.files import sidecar
from sweep.worker import Outcome
from tests.small import COUNTS, NUMBERS, arrays, grid, run

RATIOS = (1, 2)
MOST = 6
WRITING = ("chunk:status", "chunk:nll", "chunk:seconds", "synced", "hashed", "recorded")
COMPACTING = (
    "built", "published", "recorded", "retracted", "moved", "deleted", "resting", "folded"
)  # fmt: skip


class Killed(BaseException):
    """No `except Exception` sees it, as none sees a kill."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What an undisturbed launch of all realisations gives."""
    path = tmp_path_factory.mktemp("whole") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        launched(path, MOST)
    return arrays(path)


@pytest.fixture(autouse=True)
def _new_processes() -> Iterator[None]:
    yield
    worker._writer_of.cache_clear()


def launched(path: Path, realisations: int) -> tuple[Outcome, ...]:
    """Launch as a new process would, with a journal of its own."""
    worker._writer_of.cache_clear()
    points = (f"noise.ratio={ratio} noise.realisations={realisations}" for ratio in RATIOS)
    done = run(grid(path, *points))
    assert not done.failed
    assert done.missing == 0
    return done.outcomes


def with_checkpoint(patch: pytest.MonkeyPatch, checkpoint: Callable[[str], None]) -> None:
    patch.setattr(worker, "UnitWriter", functools.partial(UnitWriter, checkpoint=checkpoint))


def assert_as_whole(path: Path, whole: dict[str, np.ndarray], realisations: int) -> None:
    """Everything is recorded and sound, and what is read is what the undisturbed launch gave."""
    store = Store(path)
    assert store.pending_units() == ()
    assert all(len(records) == 1 for records in store.records.values())
    assert verify(path).clean
    found = arrays(path)
    np.testing.assert_array_equal(found["identity"], whole["identity"])
    assert found["realisation"].tolist() == list(range(realisations))
    for name in COUNTS:
        np.testing.assert_array_equal(found[name], whole[name][:, :realisations], err_msg=name)
    for name in NUMBERS:
        expected = whole[name][:, :realisations]
        np.testing.assert_allclose(found[name], expected, rtol=1e-10, atol=1e-6 if name ==
                                   "gradient_norm" else 0.0, err_msg=name)  # fmt: skip


Pair = tuple[str, int]
"""An experiment and a realisation."""


def pairs(store: Store, unit: Unit) -> set[Pair]:
    segment = store.segments[unit.segment]
    rows, columns = segment.layout.slices(unit)
    return set(itertools.product(segment.identities[rows], segment.realisations[columns]))


def recorded(path: Path) -> Counter[Pair]:
    """How many living records a pair has."""
    store = Store(path)
    found: Counter[Pair] = Counter()
    for unit, records in store.records.items():
        for _ in records:
            found.update(pairs(store, unit))
    return found


@dataclass
class Mix:
    """A store, and which pairs must be recorded in it."""

    path: Path
    rng: random.Random
    patch: pytest.MonkeyPatch
    realisations: int = 0
    held: set[Pair] = field(default_factory=set)

    def killed_launch(self) -> None:
        """More is asked for, and the worker dies at a step of the protocol over some unit."""
        self.realisations = min(self.realisations + self.rng.randint(1, 2), MOST)
        step, unit = self.rng.choice(WRITING), self.rng.randint(1, 3)
        before = len(Store(self.path).done_units()) if self.path.exists() else 0
        reached: list[str] = []

        def die(at: str) -> None:
            reached.append(at)
            if at == step and reached.count(step) == unit:
                raise Killed

        with self.patch.context() as patch, suppress(Killed):
            with_checkpoint(patch, die)
            launched(self.path, self.realisations)
        assert len(Store(self.path).done_units()) == before + reached.count("recorded")
        self.held |= set(recorded(self.path))

    def damage(self) -> None:
        """Verify names the chunk and takes the unit back."""
        store = Store(self.path)
        if not store.done_units():
            return
        unit = self.rng.choice(sorted(store.done_units(), key=str))
        segment = store.segments[unit.segment]
        name = self.rng.choice(list(segment.layout.variables))
        file = segment.chunk_file(unit, name)
        data = file.read_bytes()
        bit = self.rng.randrange(len(data))
        flipped = data[:bit] + bytes([data[bit] ^ 1]) + data[bit + 1 :]
        file.write_bytes(self.rng.choice([b"", data[: len(data) // 2], flipped]))
        self.lose(unit)
        report = verify(self.path)
        assert [(d.unit, d.array) for d in report.damage] == [(unit, name)]
        assert report.retracted == (unit,)

    def torn_journal(self) -> None:
        """A last line of which the disk lost a part never was."""
        living = {r.id: r for found in Store(self.path).records.values() for r in found}
        journals = sorted(sidecar(self.path).glob("journal/*.jsonl"))
        for journal in self.rng.sample(journals, len(journals)):
            *before, last = journal.read_bytes().splitlines(keepends=True) or [b""]
            identifier = json.loads(last).get("id", "") if last.endswith(b"\n") else ""
            if record := living.get(identifier):
                self.lose(record.unit)
                cut = self.rng.randint(1, len(last) - 1)
                journal.write_bytes(b"".join(before) + last[:cut])
                return

    def lose(self, unit: Unit) -> None:
        """A unit is about to lose its record; a killed compaction may have left it in two."""
        there = recorded(self.path)
        self.held -= {pair for pair in pairs(Store(self.path), unit) if there[pair] == 1}

    def compacted(self) -> None:
        """What is finished becomes few files."""
        compact(self.path)

    def killed_compact(self) -> None:
        """It dies at a step, if it comes to it."""
        step = self.rng.choice(COMPACTING)

        def die(at: str) -> None:
            if at == step:
                raise Killed

        with suppress(Killed):
            compact(self.path, checkpoint=die)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_random_mix_ends_as_if_nothing_had_happened(
    seed: int, whole: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = Mix(tmp_path / "a.zarr", random.Random(seed), monkeypatch)
    faults = [mix.killed_launch, mix.damage, mix.torn_journal, mix.compacted, mix.killed_compact]
    for _ in range(3):
        mix.killed_launch()
        for fault in mix.rng.sample(faults, mix.rng.randint(1, 3)):
            fault()
            assert set(recorded(mix.path)) == mix.held, fault
        pending = Store(mix.path).pending_units()
        assert {o.task.unit for o in launched(mix.path, mix.realisations)} == set(pending)
        assert_as_whole(mix.path, whole, mix.realisations)
        mix.held = set(recorded(mix.path))


def zombie(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch, late: Callable[[], None]
) -> None:
    """A launch whose worker stops at `step` of its first unit, until `late` has returned."""
    stopped: list[str] = []

    def stop(at: str) -> None:
        if at == step and not stopped:
            stopped.append(at)
            monkeypatch.setattr(worker, "UnitWriter", UnitWriter)
            late()

    with_checkpoint(monkeypatch, stop)
    launched(path, 2)
    assert stopped


@pytest.mark.parametrize("step", WRITING[:-1])
def test_a_late_record_changes_nothing_that_is_read(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    before: dict[str, np.ndarray] = {}

    def another_launch() -> None:
        assert len(launched(path, 2)) == 4
        before.update(arrays(path))

    zombie(path, step, monkeypatch, another_launch)
    assert verify(path).clean
    assert sum(len(records) for records in Store(path).records.values()) == 8
    for name, values in arrays(path).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)
    assert launched(path, 2) == ()


def test_a_zombie_that_dies_over_a_recorded_unit_costs_that_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    before: dict[str, np.ndarray] = {}

    def die(at: str) -> None:
        if at == "synced":
            raise Killed

    def another_launch() -> None:
        launched(path, 2)
        before.update(arrays(path))
        with_checkpoint(monkeypatch, die)  # at its second unit
        worker._writer_of.cache_clear()

    with pytest.raises(Killed):
        zombie(path, "recorded", monkeypatch, another_launch)
    monkeypatch.setattr(worker, "UnitWriter", UnitWriter)
    # nobody recorded the bytes that it left: its wall time is another
    (damage,) = verify(path).damage
    assert damage.array == "seconds"
    with pytest.raises(StoreError, match="is not recorded"):
        Store(path).read(damage.unit, "nll")
    assert [o.task.unit for o in launched(path, 2)] == [damage.unit]
    assert verify(path).clean
    for name, values in arrays(path).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_an_open_dataset_reads_what_a_zombie_overwrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"

    def another_launch() -> None:
        launched(path, 2)
        opened.append((ds := open_dataset(path), ds["nll"].values))

    opened: list = []
    zombie(path, "chunk:status", monkeypatch, another_launch)
    ds, nll = opened[0]
    np.testing.assert_array_equal(ds["nll"].values, nll)
