"""What no other experiment beats in both parts of its residual."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.statistics.front import front, unbeaten
from tests.small import grid, run


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


def test_the_parts_are_those_of_the_residual_variance(ds: xr.Dataset) -> None:
    table: Any = front(ds)
    assert len(table) == 6  # one has no noise-free fit
    labels = [i[:8] for i in ds["identity"].values]
    for label, row in table.iterrows():
        values = ds["residual_variance"].values[labels.index(str(label))]
        noisy = values[(ds["realisation"].values >= 0) & np.isfinite(values)]
        assert row["systematic"] == values[ds["realisation"].values == -1][0]
        assert row["statistical"] == pytest.approx(noisy.mean() - row["systematic"])
        error = noisy.std(ddof=1) / np.sqrt(noisy.size)
        assert row["statistical_error"] == pytest.approx(error)
    assert (np.diff(table["systematic"]) >= 0).all()


def test_each_mask_has_a_front_of_its_own(ds: xr.Dataset) -> None:
    table: Any = front(ds)
    for _, zone in table.groupby("mask.expression"):
        parts = np.stack([zone["systematic"], zone["statistical"]], axis=-1)
        assert zone["on_front"].tolist() == unbeaten(parts).tolist()
        assert zone["on_front"].any()


def test_without_noise_free_fits_it_says_what_to_do(ds: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run with noise.noiseless=true"):
        front(ds.isel(realisation=ds["realisation"].values >= 0))
    with pytest.raises(ConfigError, match="no experiment has a usable fit without noise and one"):
        front(ds.isel(realisation=ds["realisation"].values < 0))


def test_the_command_shows_it(ds: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.store import main

    main(["front", ds.attrs["path"]])
    said = capsys.readouterr().out
    table: Any = front(ds)
    for label, row in table.iterrows():
        assert (str(label) in said) == row["on_front"]
    main(["front", ds.attrs["path"], "--all"])
    said = capsys.readouterr().out
    assert all(str(label) in said for label in table.index)
