"""What a launch adds to a store, and which of its units are missing."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from sweep.config import SweepConf
from sweep.grid import (
    Experiment,
    Geometry,
    asked_units,
    identity,
    missing_tasks,
    plan_segments,
    unique,
)
from sweep.store import SegmentSpec, Store, Unit, UnitWriter, publish
from sweep.store.segment import Segment
from sweep.testing.small import small
from sweep.types import Status
from tests.problems import PARAMETERS

PIXELS = np.arange(192)


def plan(
    store: Path | None, *confs: SweepConf, block: int = 2, most_units: int = 4000
) -> list[SegmentSpec]:
    def geometry(experiment: Experiment) -> Geometry:
        clusters = experiment.conf.clusters
        counts: dict[str, int] = {p: getattr(clusters, p) for p in PARAMETERS}
        return Geometry(counts, experiment.conf.sky.nside, PIXELS[: clusters.beta_dust], 0)

    return plan_segments(
        Store(store) if store is not None and store.exists() else None,
        unique([Experiment(c) for c in confs]),
        geometry,
        lambda experiment, missing: min(block, missing),
        {"command": ["test"]},
        most_units,
    )


def published(path: Path, *confs: SweepConf, block: int = 2) -> Path:
    for segment in plan(path, *confs, block=block):
        publish(path, segment)
    return path


def missing(path: Path, *confs: SweepConf) -> list[tuple[str, tuple[int, ...]]]:
    found = missing_tasks(Store(path), unique([Experiment(c) for c in confs]))
    return [(Experiment(t.confs[0]).identity, t.realisations) for t in found]


def record(path: Path, unit: Unit) -> None:
    writer = UnitWriter(path)
    layout = writer.segment(unit.segment).layout
    arrays = {
        name: np.full(layout.unit_shape(name, unit), int(Status.CONVERGED), layout.dtype(name))
        for name in layout.variables
    }
    writer.write(unit, arrays, seconds=0.0)


def key(conf: SweepConf) -> str:
    return Experiment(conf).identity


def test_a_first_launch_plans_one_segment_of_like_experiments() -> None:
    confs = [small(f"clusters.beta_dust={n}", "noise.realisations=5") for n in (2, 7, 3)]
    (segment,) = plan(None, *confs)
    assert [e.identity for e in segment.experiments] == [key(c) for c in confs]
    assert segment.realisations == (0, 1, 2, 3, 4)
    assert segment.block == 2
    assert segment.clusters == {"beta_dust": 7, "temp_dust": 1, "beta_pl": 1}
    assert segment.maps is None


def test_the_noise_free_slot_comes_first() -> None:
    (segment,) = plan(None, small("noise.noiseless=true"))
    assert segment.realisations == (-1, 0, 1)


def test_unlike_shapes_are_segments_of_their_own() -> None:
    assert len(plan(None, small(), small("sky.nside=8"))) == 2
    assert len(plan(None, small(), small("noise.ratio=2", "store.parameters=false"))) == 2
    assert len(plan(None, small(), small("noise.ratio=2", "noise.realisations=3"))) == 2
    with_maps = small("store.maps=float32"), small("noise.ratio=2", "store.maps=float32")
    assert len(plan(None, *with_maps)) == 1
    assert len(plan(None, *with_maps, small("clusters.beta_dust=3", "store.maps=float32"))) == 2
    (segment, *_) = plan(None, *with_maps)
    assert segment.maps == "float32"
    assert np.array_equal(np.asarray(segment.pixels), PIXELS[:2])


def test_nothing_missing_plans_nothing(tmp_path: Path) -> None:
    path = published(tmp_path / "a.zarr", small(), small("noise.ratio=2"))
    assert plan(path, small(), small("noise.ratio=2")) == []
    assert plan(path, small("noise.realisations=1")) == []
    assert plan(path, small("store.maps=float64", "fit.block=2")) == []


def test_more_realisations_and_experiments_plan_only_those(tmp_path: Path) -> None:
    path = published(tmp_path / "a.zarr", small())
    grown, new = small("noise.realisations=5"), small("noise.ratio=2", "noise.realisations=5")
    segments = plan(path, grown, new, small("noise.noiseless=true"))
    asked = {s.experiments[0].identity: s.realisations for s in segments}
    assert asked == {key(grown): (-1, 2, 3, 4), key(new): (0, 1, 2, 3, 4)}


def test_gaps_of_an_interrupted_growth_are_filled(tmp_path: Path) -> None:
    path = published(tmp_path / "a.zarr", small("noise.realisations=1"))
    published(path, small("noise.realisations=4"))
    (segment,) = plan(path, small("noise.realisations=6", "noise.noiseless=true"))
    assert segment.realisations == (-1, 4, 5)


def test_tasks_are_the_units_that_are_asked_for(tmp_path: Path) -> None:
    one, two = small("noise.realisations=5"), small("noise.ratio=2", "noise.realisations=5")
    path = published(tmp_path / "a.zarr", one, two)
    assert missing(path, one) == [(key(one), (0, 1)), (key(one), (2, 3)), (key(one), (4,))]
    assert missing(path, small("noise.realisations=1")) == [(key(one), (0, 1))]
    assert len(missing(path, one, two)) == 6
    assert missing(path, small("noise.ratio=3")) == []


def test_recorded_units_are_not_missing(tmp_path: Path) -> None:
    conf = small("noise.realisations=5")
    path = published(tmp_path / "a.zarr", conf)
    everything = unique([Experiment(conf)])
    record(path, asked_units(Store(path), everything)[1])
    assert missing(path, conf) == [(key(conf), (0, 1)), (key(conf), (4,))]
    for task in missing_tasks(Store(path), everything):
        record(path, task.unit)
    assert missing(path, conf) == []
    assert len(asked_units(Store(path), everything)) == 3


def test_units_that_another_launch_published_are_missing_here_too(tmp_path: Path) -> None:
    conf = small("noise.realisations=2")
    path = published(tmp_path / "a.zarr", conf)  # and then killed
    grown = small("noise.realisations=4")
    published(path, grown)
    assert missing(path, grown) == [(key(conf), (0, 1)), (key(conf), (2, 3))]
    assert isinstance(
        Store(path).segments[asked_units(Store(path), unique([Experiment(conf)]))[0].segment],
        Segment,
    )


def test_a_task_counts_its_fits(tmp_path: Path) -> None:
    conf = small("noise.realisations=5")
    path = published(tmp_path / "a.zarr", conf)
    assert [t.fits for t in missing_tasks(Store(path), unique([Experiment(conf)]))] == [2, 2, 1]


GRID = [f"noise.seed={n}" for n in range(10)]


def test_a_large_grid_keeps_several_experiments_a_unit() -> None:
    confs = [small(word, "noise.realisations=4") for word in GRID]
    for most, together in ((20, 1), (10, 2), (7, 3), (1, 10)):
        (segment,) = plan(None, *confs, most_units=most)
        assert segment.experiments_per_unit == together, most
    (segment,) = plan(None, *(small(word, "fit.experiments=4") for word in GRID))
    assert segment.experiments_per_unit == 4
    assert segment.layout.blocks == (3, 1)
    (segment,) = plan(None, *(small(word, "fit.experiments=40") for word in GRID))
    assert segment.experiments_per_unit == 10


def test_but_not_beyond_what_a_chunk_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("sweep.grid.plan")
    confs = [small(word, "clusters.beta_dust=50") for word in GRID]
    monkeypatch.setattr(module, "MOST_BYTES", 3.9 * 2 * 50 * 8)  # two realisations, 50 clusters
    (segment,) = plan(None, *confs, most_units=1)
    assert segment.experiments_per_unit == 3


def test_a_part_of_a_unit_asks_for_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    confs = [small(word, "fit.experiments=4", store=path) for word in GRID]
    published(path, *confs)
    asked = [small("noise.seed=2", "noise.realisations=1", store=path)]
    (task,) = missing_tasks(Store(path), unique([Experiment(c) for c in asked]))
    assert [identity(c) for c in task.confs] == [key(c) for c in confs[:4]]
    assert task.confs[3].store.path == str(path)
    record(path, task.unit)
    assert missing(path, confs[0], confs[3]) == []
    assert len(missing(path, *confs)) == 2


def test_a_unit_that_cannot_be_computed_any_more_strands_nobody(tmp_path: Path) -> None:
    path, file = tmp_path / "a.zarr", tmp_path / "i.yaml"
    file.write_text("{name: x, source: y, frequency: [40, 90], depth_p: [2, 1]}")
    own = small(f"instrument.path={file}", "fit.experiments=2", store=path)
    healthy = small("noise.ratio=2", "fit.experiments=2", store=path)
    published(path, own, healthy)
    assert len(missing(path, healthy)) == 1
    assert plan(path, healthy) == []

    for change in ("{name: x, source: y, frequency: [40, 90], depth_p: [2, 3]}", None):
        file.write_text(change) if change else file.unlink()
        assert missing(path, healthy) == []
        (segment,) = plan(path, healthy)
        assert [e.identity for e in segment.experiments] == [key(healthy)]
        assert segment.realisations == (0, 1)
    published(path, healthy)
    assert missing(path, healthy) == [(key(healthy), (0, 1))]
    assert plan(path, healthy) == []
