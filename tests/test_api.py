from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.errors import ConfigError, IncompleteError, StoreError
from tests.small import grid, small


def test_what_is_run_is_what_is_opened(tmp_path: Path) -> None:
    conf = small(store=tmp_path / "a.zarr")
    result = sweep.run(conf)
    np.testing.assert_array_equal(result["nll"], sweep.open(tmp_path / "a.zarr")["nll"])
    assert result["nll"].attrs["units"] == "1"
    assert result["cmb_variance"].attrs["units"] == "uK^2"
    assert result.sizes["realisation"] == 2


def test_a_plan_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plan=true is of the command"):
        sweep.run(small("plan=true", store=tmp_path / "a.zarr"))
    assert list(tmp_path.iterdir()) == []


def test_experiments_come_in_the_order_asked_for_and_alone(small_store: Path) -> None:
    two, one = grid(small_store, "noise.ratio=2", "noise.ratio=1")
    assert sweep.run([two, one, two])["noise.ratio"].values.tolist() == [2.0, 1.0]
    assert sweep.run(one)["noise.ratio"].values.tolist() == [1.0]


def test_a_failed_unit_raises_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep.worker as worker

    fit = worker.fit_experiment

    def failing(conf, realisations):  # noqa: ANN001, ANN202
        if realisations == (1,):
            raise ValueError("planted")
        return fit(conf, realisations)

    monkeypatch.setattr(worker, "fit_experiment", failing)
    with pytest.raises(IncompleteError, match="1 of 2 units failed: ValueError: planted"):
        sweep.run(small(store=tmp_path / "a.zarr"))
    status = sweep.open(tmp_path / "a.zarr")["status"].values
    assert (status > 0).tolist() == [[True, False]]


def test_what_is_no_store_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        sweep.open(tmp_path / "a.zarr")


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'newton'"):
        _ = sweep.newton  # pyright: ignore[reportAttributeAccessIssue]
    assert set(sweep.__all__) == {"build", "compose", "open", "run"}
