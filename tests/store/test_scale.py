"""Many experiments: work is counted in calls and reads, never in seconds."""

import cProfile
import hashlib
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import StoreError
from sweep.statistics.summary import summary
from sweep.store import (
    ExperimentEntry,
    Segment,
    SegmentSpec,
    Store,
    UnitWriter,
    compact,
    open_dataset,
    publish,
)

from .helpers import CLUSTERS, chunk

EXPERIMENTS = 20_000
UNITS = 40


def make_many(experiments: int = EXPERIMENTS, **changes: Any) -> SegmentSpec:
    base = {f"group{k % 8}.key{k}": (k / 2 if k % 2 else f"choice {k}") for k in range(56)}
    fields: dict[str, Any] = {
        "experiments": tuple(
            ExperimentEntry(
                hashlib.sha256(b"%d" % k).hexdigest(),
                base
                | {
                    "clusters.beta_dust": 10 * (k % 100 + 1),
                    "clusters.temp_dust": 5 * (k // 100 % 100 + 1),
                    "noise.ratio": k // 10_000 / 10,
                    "solver.name": ("newton", "adabk0")[k % 2],
                },
            )
            for k in range(experiments)
        ),
        "realisations": (0, 1, 2),
        "block": 3,
        "clusters": CLUSTERS,
        "nside": 4,
        "parameters": False,
        "experiments_per_unit": experiments // UNITS,
    }
    return SegmentSpec(**fields | changes)


def write(path: Path, keep: Callable[[int], bool] = lambda k: True) -> None:
    """Record the units whose number is kept; every value is the row in the segment."""
    writer = UnitWriter(path)
    for k, unit in enumerate(Store(path).pending_units()):
        if keep(k):
            layout = writer.segment(unit.segment).layout
            rows = np.arange(layout.sizes["experiment"])[layout.slices(unit)[0]]
            arrays = {
                name: np.broadcast_to(
                    (np.ones_like(rows) if name == "status" else rows % 100)[:, None],
                    layout.unit_shape(name, unit),
                ).astype(layout.dtype(name))
                for name in layout.variables
            }
            writer.write(unit, arrays, seconds=1.0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store; tests leave it as it is."""
    path = tmp_path_factory.mktemp("many") / "a.zarr"
    publish(path, make_many())
    write(path)
    return path


def calls(work: Callable[[], Any]) -> int:
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # pyright: ignore[reportAttributeAccessIssue]


def test_publishing_does_not_look_at_each_key_of_each_experiment(tmp_path: Path) -> None:
    small, large = make_many(EXPERIMENTS // 4), make_many()
    work = [
        calls(lambda: publish(tmp_path / "a.zarr", small)),
        calls(lambda: publish(tmp_path / "b.zarr", large)),
        calls(make_many),
    ]
    assert work[0] < work[1] < 6 * work[0]
    assert work[1] < 20 * EXPERIMENTS
    assert work[2] < 20 * EXPERIMENTS


def test_asking_what_is_done_or_published_is_linear(many: Path) -> None:
    store = Store(many)

    def ask() -> None:
        assert store.pending_units() == ()
        assert len(store.done_units()) == UNITS
        assert store.published(make_many(1, experiments_per_unit=1).experiments[0].identity)

    assert calls(ask) < 5 * EXPERIMENTS


def test_opening_reads_no_chunk_and_little_else(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_dataset(many)  # xarray imports dask when it is first asked for anything
    read: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: (read.append(file), read_bytes(file))[1])
    assert calls(lambda: open_dataset(many)) < 10 * EXPERIMENTS
    layout = next(iter(Store(many).segments.values())).layout
    assert not [f for f in read if f.name != "zarr.json" and f.parent.name in layout.variables]
    assert len(read) < 60


def test_a_summary_reads_each_array_at_once_and_each_file_once(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single: list[str] = []
    monkeypatch.setattr(Segment, "read_chunk", lambda *about: single.append(str(about)))
    read: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: (read.append(file), read_bytes(file))[1])
    dataset = open_dataset(many)
    read.clear()
    table = summary(dataset)
    assert not single
    chunks = [file for file in read if file.name != "zarr.json"]
    assert len(chunks) == len(set(chunks))
    assert len(chunks) <= UNITS * 11
    assert len(read) - len(chunks) <= 3 * 11  # metadata
    np.testing.assert_array_equal(table["cmb_variance"], np.arange(EXPERIMENTS) % 100)


def test_what_is_not_recorded_is_fill_also_where_a_chunk_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_many(2000))
    write(path, keep=lambda k: k % 3 != 1)
    for k, unit in enumerate(Store(path).pending_units()):
        if k % 2:
            chunk(path, unit, "nll").write_bytes(b"of a worker that was killed")
    monkeypatch.delattr(Segment, "read_chunk")  # one by one is not needed
    values = open_dataset(path)["nll"].values
    recorded = np.arange(2000) // 50 % 3 != 1
    assert np.isnan(values[~recorded]).all()
    np.testing.assert_array_equal(values[recorded][:, 0], np.flatnonzero(recorded) % 100)


@pytest.mark.parametrize(
    ("damage", "message"),
    [("gone", "is missing"), ("short", "is damaged"), ("flipped", "is damaged")],
)
def test_a_damaged_chunk_among_many_is_named(tmp_path: Path, damage: str, message: str) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_many(2000))
    write(path)
    unit = Store(path).units()[30]
    file = chunk(path, unit, "nll")
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data[:-1] if damage == "short" else data)
    dataset = open_dataset(path)
    with pytest.raises(StoreError, match=f"the chunk.* {message}") as caught:
        dataset["nll"].load()
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    rest = dataset["nll"].isel(experiment=slice(0, 1500)).values
    np.testing.assert_array_equal(rest[:, 1], np.arange(1500) % 100)


def test_any_selection_of_many_chunks_agrees_with_the_whole(many: Path) -> None:
    lazy = open_dataset(many)["nll"]
    whole = lazy.values
    selections: list[tuple[Any, Any]] = [
        (slice(None, None, -1), slice(None)),
        (slice(3, None, 7), [2, 0]),
        (np.random.default_rng(1).permutation(EXPERIMENTS)[:5000], slice(1, 2)),
        (slice(None), 1),
    ]
    for experiments, realisations in selections:
        got = lazy[experiments].isel(realisation=realisations)
        want = whole[experiments][:, realisations]
        np.testing.assert_array_equal(got.values, want)


def test_two_segments_of_the_same_pairs_are_told_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_many())
    publish(path, make_many(realisations=(2, 5)))
    store = Store(path)
    assert len(store.pending_units()) == 2 * UNITS
    assert calls(lambda: Store(path).pending_units()) < 20 * EXPERIMENTS
    identity = next(iter(store.segments.values())).identities[7]
    assert store.published(identity) == {0, 1, 2, 5}
    publish(path, make_many(realisations=(0, 2)))
    assert len(Store(path).pending_units()) == 2 * UNITS


def test_compacted_it_is_few_files_and_the_same_table(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_many(2000))
    write(path)
    table = summary(open_dataset(path))
    report = compact(path)
    assert report.before > 10 * UNITS
    assert report.after < 50
    assert summary(open_dataset(path)).equals(table)
