"""What takes seconds of an experiment is computed once; issue 17, point 8."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.statistics import common_variance, kept, maps, residuals
from sweep.statistics.common_variance import residual_covariance
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import residual_maps
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best
from sweep.store import open_dataset
from sweep.testing.small import grid, run

LOOKS: dict[str, Callable[[xr.Dataset], Any]] = {
    "coefficients": lambda ds: asdict(read_residuals(ExperimentView(ds, 0))),
    "of E": lambda ds: asdict(read_residuals(ExperimentView(ds, 0), "E")),
    "covariance": lambda ds: residual_covariance(ExperimentView(ds, 0)),
    "maps": lambda ds: asdict(residual_maps(ExperimentView(ds, 0))),
}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[int]]:
    """Realisations whose residual maps were computed, a list each time; the cache is empty."""
    monkeypatch.setenv("SKYSWEEP_CACHE", str(tmp_path / "cache"))
    asked: list[list[int]] = []
    for module in (residuals, common_variance, maps):
        compute = module.residual_of

        def counted(
            experiment: ExperimentView, numbers: list[int], compute: Any = compute
        ) -> np.ndarray:
            asked.append(list(numbers))
            return compute(experiment, numbers)

        monkeypatch.setattr(module, "residual_of", counted)
    return asked


@pytest.mark.parametrize("look", LOOKS)
def test_a_second_look_computes_nothing_and_sees_the_same(
    look: str, small_store: Path, computed: list[list[int]]
) -> None:
    first = LOOKS[look](open_dataset(small_store))
    assert computed
    computed.clear()
    again = LOOKS[look](open_dataset(small_store))
    assert computed == []
    np.testing.assert_equal(again, first)


def test_a_second_ranking_by_r_computes_nothing(
    small_store: Path, computed: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = best(open_dataset(small_store), "r_upper_68", converged=0)
    assert len(computed) == 2  # one an experiment
    monkeypatch.setattr("sweep.statistics.rankings.bootstrap", None)
    again = best(open_dataset(small_store), "r_upper_68", converged=0)
    assert len(computed) == 2
    assert again.equals(first)


def test_a_copy_of_a_store_knows_what_is_kept(
    small_store: Path, computed: list[list[int]], tmp_path: Path
) -> None:
    residual_covariance(ExperimentView(open_dataset(small_store), 0))
    copy = shutil.copytree(small_store, tmp_path / "copy.zarr")
    shutil.copytree(f"{small_store}.sweep", tmp_path / "copy.zarr.sweep")
    residual_covariance(ExperimentView(open_dataset(copy), 0))
    assert len(computed) == 1


def test_new_realisations_another_mask_and_other_fits_are_computed(
    computed: list[list[int]], tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, ""))
    LOOKS["coefficients"](open_dataset(path))
    run(grid(path, "noise.realisations=3", "mask.expression=GAL060 clusters.beta_dust=1"))
    ds = open_dataset(path)
    LOOKS["coefficients"](ds)
    read_residuals(ExperimentView(ds, 1))
    assert computed == [[0, 1], [0, 1, 2], [0, 1]]
    changed = ds.assign(beta_dust=ds["beta_dust"] + 1e-6)
    for _ in range(2):
        LOOKS["coefficients"](changed)
    assert computed[3:] == [[0, 1, 2]]


def test_experiments_with_more_clusters_beside_it_change_nothing(
    computed: list[list[int]], tmp_path: Path
) -> None:
    path = tmp_path / "a.zarr"
    run(grid(path, ""))
    LOOKS["covariance"](open_dataset(path))
    run(grid(path, "clusters.beta_dust=5"))  # parameters have longer axes now
    LOOKS["covariance"](open_dataset(path))
    assert len(computed) == 1


def test_beyond_its_room_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SKYSWEEP_CACHE", str(tmp_path))
    (tmp_path / "kmeans-0.npz").write_bytes(bytes(9000))  # not ours to remove

    def look(number: int) -> bool:
        """Whether it had to be made."""
        made = []
        kept.kept("x", {"n": number}, lambda: made.append(0) or {"x": np.full(100, number)})
        for age, file in enumerate(sorted(tmp_path.glob("residual-*"), key=os.path.getmtime)):
            os.utime(file, (age, age))
        return bool(made)

    monkeypatch.setattr(kept, "MOST_BYTES", 2500)  # an entry has about 1100
    assert [look(number) for number in (1, 2, 3, 3, 2, 1)] == [True, True, True, False, False, True]
    assert len(list(tmp_path.glob("residual-*"))) == 2
    assert (tmp_path / "kmeans-0.npz").exists()
