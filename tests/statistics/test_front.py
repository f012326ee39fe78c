"""What no other experiment beats in both parts of its residual."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.statistics.common_variance import shares
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.front import front, unbeaten
from sweep.statistics.recovered import residual_of
from sweep.testing.small import grid, run
from sweep.types import Status

S = Status


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("front") / "a.zarr"
    given = "noise.noiseless=true noise.realisations=3 sky.nside=8 "
    masks = ("mask.expression=GAL040", "mask.expression=GAL080-GAL040")
    run(grid(path, *(f"{given} {m} clusters.beta_dust={n}" for m in masks for n in (1, 4, 16))))
    run(grid(path, "sky.nside=8 mask.expression=GAL040 clusters.beta_dust=2"))
    return sweep.open(path)


def test_the_front_is_what_nothing_beats() -> None:
    points = np.array([[1.0, 5.0], [2.0, 3.0], [2.0, 4.0], [3.0, 3.0], [5.0, 1.0], [5.0, 1.0]])
    assert unbeaten(points).tolist() == [True, True, False, False, True, True]
    rng = np.random.default_rng(0)
    many = rng.random((60, 2))
    slow = [not any((q <= p).all() and (q < p).any() for q in many) for p in many]
    assert unbeaten(many).tolist() == slow
    assert 1 < sum(slow) < 30


def test_the_parts_by_the_noise_free_fit(ds: xr.Dataset) -> None:
    table: Any = front(ds, estimator="noise_free", converged=0)
    assert len(table) == 6  # one has no noise-free fit
    assert table.attrs["left_out"] == {"no converged noise-free fit": 1}
    labels = [i[:8] for i in ds["identity"].values]
    for label, row in table.iterrows():
        values = ds["residual_variance"].values[labels.index(str(label))]
        noisy = values[(ds["realisation"].values >= 0) & np.isfinite(values)]
        assert row["systematic"] == values[ds["realisation"].values == -1][0]
        assert row["statistical"] == pytest.approx(noisy.mean() - row["systematic"])
        error = noisy.std(ddof=1) / np.sqrt(noisy.size)
        assert row["statistical_error"] == pytest.approx(error)
    assert (np.diff(table["systematic"]) >= 0).all()


def test_the_parts_by_what_realisations_have_in_common(ds: xr.Dataset) -> None:
    """Pair by pair, on the realisations that all of a mask have, which are two of three here."""
    table: Any = front(ds, converged=0)
    assert len(table) == 7
    assert set(table["estimator"]) == {"cross"}
    for label, row in table.iterrows():
        i = [each[:8] for each in ds["identity"].values].index(str(label))
        count = 2 if row["mask.expression"] == "GAL040" else 3
        assert row["compared"] == count
        maps = residual_of(ExperimentView(ds, i), range(count))
        pairs = [
            np.cov(maps[a, s], maps[b, s], ddof=0)[0, 1]
            for a, b in permutations(range(count), 2)
            for s in (0, 1)
        ]
        assert row["systematic"] == pytest.approx(2 * np.mean(pairs), rel=1e-9)
        total = ds["residual_variance"].sel(realisation=range(count)).values[i].mean()
        assert row["systematic"] + row["statistical"] == pytest.approx(total, rel=1e-9)
    free = table["systematic_noise_free"].notna()
    assert free.sum() == 6
    assert not np.allclose(table["systematic_noise_free"][free], table["systematic_cross"][free])


@pytest.mark.parametrize(("level", "excess"), [(3.0, 1.0), (0.3, 1.35)])
def test_errors_of_the_common_part_are_those_of_other_draws(level: float, excess: float) -> None:
    """Where there is little of it they are too large, as docs/science.md says."""
    rng = np.random.default_rng(0)
    s = level * rng.standard_normal(50)
    seen, said = [], []
    for _ in range(400):
        maps = s + rng.standard_normal((6, 50))
        found = shares(maps @ maps.T / 50, np.mean(maps**2, axis=1))
        seen.append(found[::2])
        said.append(found[1::2])
    error = np.std(seen, axis=0)
    assert (np.abs(np.mean(seen, axis=0) - [s @ s / 50, 1.0]) < 4 * error / 20).all()
    ratio = np.sqrt(np.mean(np.square(said), axis=0)) / error
    assert ratio == pytest.approx([excess, 1.0], rel=0.15)
    assert np.isnan(shares(np.eye(2), np.ones(2)).systematic_error)


def test_one_estimator_for_a_whole_context(ds: xr.Dataset) -> None:
    """With one realisation only the noise-free fits are there: for all, and the table says so."""
    part = ds.isel(realisation=ds["realisation"].values < 1)
    with_free = np.isfinite(part["residual_variance"].sel(realisation=-1).values)
    table: Any = front(part.isel(experiment=with_free), converged=0)
    assert set(table["estimator"]) == {"noise_free"}
    assert table.attrs["fallback"] == ["GAL040", "GAL080-GAL040"]
    with pytest.raises(ConfigError, match="fewer than 2 usable realisations.*needs two converged"):
        front(part, estimator="cross", converged=0)


def test_those_that_did_not_converge_are_left_out_and_counted(ds: xr.Dataset) -> None:
    ds = ds.load().copy()
    ds["status"] = xr.where(ds["status"] != S.PENDING, S.CONVERGED, S.PENDING)
    ds["status"][0, 1:] = S.MAX_STEPS
    table: Any = front(ds)
    assert str(ds["identity"].values[0])[:8] not in table.index
    ((why, count),) = table.attrs["left_out"].items()
    assert (count, "90 % of the fits converged" in why) == (1, True)
    assert len(front(ds, converged=0)) == 7


def test_each_mask_has_a_front_of_its_own(ds: xr.Dataset) -> None:
    table: Any = front(ds, converged=0)
    for _, zone in table.groupby("mask.expression"):
        parts = np.stack([zone["systematic"], zone["statistical"]], axis=-1)
        assert zone["on_front"].tolist() == unbeaten(parts).tolist()
        assert zone["on_front"].any()


def test_what_is_missing_is_said(ds: xr.Dataset, tmp_path: Path) -> None:
    run(grid(tmp_path / "a.zarr", "store.parameters=false"))
    bare = sweep.open(tmp_path / "a.zarr")
    with pytest.raises(ConfigError, match="1 .neither maps nor parameters were kept.*needs two"):
        front(bare, converged=0)
    with pytest.raises(ConfigError, match="needs a noise-free fit .noise.noiseless=true"):
        front(bare, estimator="noise_free", converged=0)
    with pytest.raises(ConfigError, match="7 .no usable fit"):
        front(ds.isel(realisation=ds["realisation"].values < 0))


def test_the_command_shows_it(ds: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.store import main

    main(["front", ds.attrs["path"], "--unconverged"])
    said = capsys.readouterr().out
    table: Any = front(ds, converged=0)
    for label, row in table.iterrows():
        assert (str(label) in said) == row["on_front"]
    main(["front", ds.attrs["path"], "--all", "--unconverged"])
    said = capsys.readouterr().out
    assert all(str(label) in said for label in table.index)
