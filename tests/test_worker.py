"""One unit: from its configuration to arrays that fit the store."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from sweep.grid import Package
from sweep.store import Store
from sweep.testing.contract import packages_of, spoiled
from sweep.testing.small import arrays, run, small
from sweep.types import NOT_ATTEMPTED, Status
from sweep.worker import device, experiment_arrays, fit_experiment, run_package, unit_arrays


def test_arrays_are_those_of_the_segment_and_padded_by_nan(tmp_path: Path) -> None:
    narrow = small("store.maps=float32", "noise.realisations=1", store=tmp_path / "a.zarr")
    wide = small("clusters.beta_dust=3", "store.maps=float32", store=narrow.store.path)
    packages = packages_of(tmp_path / "a.zarr", [narrow, wide])
    (task,) = packages[0].tasks
    segment = Store(tmp_path / "a.zarr").segments[task.unit.segment]
    found = unit_arrays(segment, [experiment_arrays(narrow, (0,), spectra=False)])
    assert set(found) == set(segment.layout.variables)
    for name, values in found.items():
        assert values.shape == segment.layout.unit_shape(name, task.unit)
        assert values.dtype == segment.layout.dtype(name)
    assert found["cmb"].dtype == np.float32
    assert found["scan_certified"].tolist() == [[NOT_ATTEMPTED]]
    assert found["jumps"].tolist() == found["unconstrained"].tolist() == [[0]]


def test_clusters_that_an_experiment_has_not_read_as_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    confs = [small(f"clusters.beta_dust={n}", "noise.realisations=1", store=path) for n in (2, 3)]
    run(confs)
    import sweep

    counts = np.isfinite(sweep.open(path)["beta_dust"].values).sum(axis=-1)
    assert counts.tolist() == [[2], [3]]


def test_stored_maps_are_the_recovered_cmb(tmp_path: Path) -> None:
    conf = small("store.maps=float64", "noise.realisations=1", store=tmp_path / "a.zarr")
    run([conf])
    import sweep

    ds = sweep.open(tmp_path / "a.zarr")
    cmb = ds["cmb"].values[0, 0]
    assert cmb.shape == (2, 192)
    np.testing.assert_allclose(cmb.var(axis=-1).sum(), ds["cmb_variance"].values[0, 0], rtol=1e-12)


def test_a_unit_that_fails_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    first, second = packages_of(path, [small(store=path)])
    package = Package(first.store, (*spoiled(first).tasks, *second.tasks), "")
    failed, done = run_package(package)
    assert failed.error is not None
    assert failed.error.startswith("ConfigError: an input file changed")
    assert failed.statuses == {}
    assert done.error is None
    assert sum(done.statuses.values()) == 1
    assert Store(path).done_units() == {second.tasks[0].unit}


def break_fits(patch: pytest.MonkeyPatch, times: int) -> list[float]:
    """The next fits meet a system error, so many times; returns the pauses to come."""
    module = importlib.import_module("sweep.worker")
    fit, left, pauses = module.fit_experiment, [None] * times, []

    def refused(*arguments):
        if left:
            left.pop()
            raise OSError(5, "Input/output error")
        return fit(*arguments)

    patch.setattr(module, "fit_experiment", refused)
    patch.setattr(module.time, "sleep", pauses.append)
    return pauses


def test_a_system_error_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = break_fits(monkeypatch, 1)
    path = tmp_path / "a.zarr"
    (package,) = packages_of(path, [small("noise.realisations=1", store=path)])
    (outcome,) = run_package(package)
    assert outcome.error is None
    ((record,),) = Store(path).records.values()
    assert record.attempt == 2
    (failure,) = Store(path).errors()
    assert (failure.attempt, failure.final) == (1, False)
    assert failure.message == "OSError: [Errno 5] Input/output error"
    assert pauses == [0.5]


def test_and_given_up_after_the_third_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = break_fits(monkeypatch, 10)
    path = tmp_path / "a.zarr"
    (package,) = packages_of(path, [small("noise.realisations=1", store=path)])
    (outcome,) = run_package(package)
    assert outcome.error == "OSError: [Errno 5] Input/output error"
    assert [(f.attempt, f.final) for f in Store(path).errors()] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert pauses == [0.5, 1.0]
    assert Store(path).pending_units() == (package.tasks[0].unit,)


def test_a_fit_that_fails_is_a_result_and_not_an_error(tmp_path: Path) -> None:
    conf = small("parameters.temp_dust.start=39.999999", "solver.max_steps=1", store=tmp_path / "a")
    done = run([conf])
    assert done.failed == ()
    assert set(arrays(tmp_path / "a")["status"].ravel()) <= {int(s) for s in Status} - {0}


def test_records_say_where_and_on_what(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run([small("noise.realisations=1", store=path)])
    ((record,),) = Store(path).records.values()
    assert record.device == device()
    assert record.seconds > 0
    assert record.attempt == 1


@pytest.mark.parametrize("realisations", [(0,), (1, 0)])
def test_a_realisation_does_not_depend_on_its_block(realisations: tuple[int, ...]) -> None:
    block = fit_experiment(small(), (0, 1))
    alone = fit_experiment(small(), realisations)
    for place, number in enumerate(realisations):
        np.testing.assert_allclose(alone.nll[place], block.nll[number], rtol=1e-12)
        np.testing.assert_allclose(alone.cmb[place], block.cmb[number], rtol=1e-9, atol=1e-12)
