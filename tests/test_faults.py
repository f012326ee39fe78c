"""Random mixes of faults, growth and compaction against a model; workers that are late."""

import functools
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sweep import worker
from sweep.errors import StoreError
from sweep.grid import Outcome
from sweep.store import Store, Unit, UnitWriter, compact, open_dataset, verify
from sweep.store.files import sidecar
from sweep.testing.small import COUNTS, NUMBERS, arrays, grid, run

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


T = TypeVar("T")

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


ANY = st.integers(0, 10_000)
"""Chooses among what there is: sizes and names are others each time, draws must not be."""


def nth(among: Sequence[T], which: int) -> T:
    return among[which % len(among)]


class Mix(RuleBasedStateMachine):
    """A store under launches, kills, damage and compaction, and which pairs it must hold."""

    def __init__(self, path: Path, whole: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.path, self.whole = path, whole
        self.realisations = 0
        self.held: set[Pair] = set()

    @rule(more=st.integers(1, 2))
    def launch(self, more: int) -> None:
        """More is asked for: exactly what is missing is computed, and all is as if undisturbed."""
        self.realisations = min(self.realisations + more, MOST)
        if self.path.exists():
            missing = {p for u in Store(self.path).pending_units() for p in self.pairs(u)}
        else:
            missing = set()
        new = {p for o in launched(self.path, self.realisations) for p in self.pairs(o.task.unit)}
        assert not new & self.held
        assert missing <= new
        assert_as_whole(self.path, self.whole, self.realisations)
        self.held |= new

    @rule(more=st.integers(1, 2), step=st.sampled_from(WRITING), unit=st.integers(1, 3))
    def killed_launch(self, more: int, step: str, unit: int) -> None:
        """More is asked for, and the worker dies at a step of the protocol over some unit."""
        self.realisations = min(self.realisations + more, MOST)
        before = len(Store(self.path).done_units()) if self.path.exists() else 0
        reached: list[str] = []

        def die(at: str) -> None:
            reached.append(at)
            if at == step and reached.count(step) == unit:
                raise Killed

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            with_checkpoint(patch, die)
            launched(self.path, self.realisations)
        assert len(Store(self.path).done_units()) == before + reached.count("recorded")
        self.held |= set(recorded(self.path))

    @precondition(lambda self: self.path.exists())
    @rule(which=ANY, kind=st.sampled_from(("emptied", "halved", "flipped", "deleted")))
    def damage(self, which: int, kind: str) -> None:
        """Verify names the chunk and takes the unit back."""
        store = Store(self.path)
        if not store.done_units():
            return
        unit = nth(sorted(store.done_units(), key=str), which)
        segment = store.segments[unit.segment]
        name = nth(segment.layout.variables, which)
        file = segment.chunk_file(unit, name)
        content = file.read_bytes()
        bit = which % len(content)
        flipped = content[:bit] + bytes([content[bit] ^ 1]) + content[bit + 1 :]
        left = {"emptied": b"", "halved": content[: len(content) // 2], "flipped": flipped}
        if kind == "deleted":
            file.unlink()
        else:
            file.write_bytes(left[kind])
        self.lose(unit)
        report = verify(self.path)
        assert [(d.unit, d.array) for d in report.damage] == [(unit, name)]
        assert report.retracted == (unit,)

    @precondition(lambda self: self.path.exists())
    @rule(which=ANY)
    def torn_journal(self, which: int) -> None:
        """A last line of which the disk lost a part never was."""
        living = {r.id: r for found in Store(self.path).records.values() for r in found}
        ends = []
        for journal in sorted(sidecar(self.path).glob("journal/*.jsonl")):
            *before, last = journal.read_bytes().splitlines(keepends=True) or [b""]
            identifier = json.loads(last).get("id", "") if last.endswith(b"\n") else ""
            if record := living.get(identifier):
                ends.append((journal, b"".join(before), last, record.unit))
        if ends:
            journal, before, last, unit = nth(ends, which)
            self.lose(unit)
            journal.write_bytes(before + last[: 1 + which % (len(last) - 1)])

    @precondition(lambda self: self.path.exists())
    @rule()
    def compacted(self) -> None:
        """What is finished becomes few files."""
        compact(self.path)

    @precondition(lambda self: self.path.exists())
    @rule(step=st.sampled_from(COMPACTING))
    def killed_compact(self, step: str) -> None:
        """It dies at a step, if it comes to it."""

        def die(at: str) -> None:
            if at == step:
                raise Killed

        with suppress(Killed):
            compact(self.path, checkpoint=die)

    @invariant()
    def the_store_holds_what_it_must(self) -> None:
        """Every pair that was recorded, and none that was lost."""
        if self.path.exists():
            assert set(recorded(self.path)) == self.held

    def teardown(self) -> None:
        """Whatever happened, the same command ends as if nothing had."""
        if self.realisations:
            launched(self.path, self.realisations)
            assert_as_whole(self.path, self.whole, self.realisations)
            assert launched(self.path, self.realisations) == ()

    def pairs(self, unit: Unit) -> set[Pair]:
        return pairs(Store(self.path), unit)

    def lose(self, unit: Unit) -> None:
        """A unit is about to lose its record; a killed compaction may have left it in two."""
        there = recorded(self.path)
        self.held -= {pair for pair in self.pairs(unit) if there[pair] == 1}


@pytest.mark.slow
@pytest.mark.parametrize("mixes", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_a_random_mix_ends_as_if_nothing_had_happened(
    mixes: int, whole: dict[str, np.ndarray], tmp_path: Path
) -> None:
    numbers = itertools.count()

    class Here(Mix):
        def __init__(self) -> None:
            super().__init__(tmp_path / f"{next(numbers)}.zarr", whole)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=mixes, stateful_step_count=7, deadline=None, database=None,
            derandomize=mixes == 3, phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip
    assert next(numbers) >= mixes


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
