"""r of recovered maps: from a store to the figure that one would quote, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.data import true_cmb
from sweep.cli.store import main as store_main
from sweep.errors import ConfigError
from sweep.pure_b import pure_b, window
from sweep.spectra import power
from sweep.statistics.amplitudes import Priors
from sweep.statistics.bandpowers import Skies, banded
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.observed import Observations, observations, observed_r, r_of_each
from sweep.statistics.recovered import kept_pixels, recovered_cmb
from sweep.testing.small import grid, run

GIVEN = (
    "sky.nside=16 solver=newton noise.realisations=44 clusters.beta_dust=1 fit.block=44 "
    "noise.ratio=0.05 "
)
POINTS = (
    "mask.expression=GAL060 sky.cmb_realisations=true sky.r=0.02",
    "mask.expression=GAL040",
    "mask.expression=GAL060-GAL040",
)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("observed") / "a.zarr"
    done = run(grid(path, *(GIVEN + point for point in POINTS)))
    found = sweep.open(path)
    order = found["identity"].values.tolist()
    return found.isel(experiment=[order.index(identity) for identity in done.identities])


@pytest.fixture(scope="module", name="drawn")
def _drawn(ds: xr.Dataset) -> Observations:
    return observations([ExperimentView(ds, 0)], apodisation=15.0)


@pytest.fixture(scope="module", name="skies")
def _skies(drawn: Observations) -> Skies:
    return drawn.skies(200)


def test_whole_fits_give_the_r_that_their_skies_were_drawn_with(
    drawn: Observations, skies: Skies
) -> None:
    found = r_of_each(drawn, skies, Priors(residual=1.0))
    assert [number for number, _ in found] == list(range(44))
    values = np.array([each.ratio.r for _, each in found])
    assert abs(values.mean() - 0.02) < 4 * values.std() / np.sqrt(44)
    inside = [e.ratio.r - e.ratio.minus <= 0.02 <= e.ratio.r + e.ratio.plus for _, e in found]
    assert abs(np.mean(inside) - 0.68) < 3.5 * np.sqrt(0.68 * 0.32 / 44)


def test_noise_and_residuals_are_those_of_other_fits(drawn: Observations, skies: Skies) -> None:
    _, model = observed_r(drawn, [3], skies, Priors())
    assert drawn.residuals is not None
    others = np.delete(drawn.residuals, 3, axis=0)
    scatter = others - others.mean(axis=0)
    noise = banded(power(scatter), model.edges).sum(axis=0) / 42 / drawn.seen.power
    np.testing.assert_allclose(model.noise, noise, rtol=1e-9)


def test_zones_are_one_sky_behind_one_window(ds: xr.Dataset) -> None:
    views = [ExperimentView(ds, i) for i in (1, 2)]
    found = observations(views, apodisation=15.0)
    pixels = [kept_pixels(view) for view in views]
    whole = np.zeros((2, 12 * 16**2))
    for view, where in zip(views, pixels, strict=True):
        whole[:, where] = recovered_cmb(view, [7])[0]
    union = np.union1d(*pixels)
    seen = window(16, union, 15.0)
    expected = pure_b(whole[:, union], union, seen)
    np.testing.assert_allclose(found.recovered[7], expected, atol=1e-12 * np.abs(expected).max())
    truth = np.zeros_like(whole)
    for view, where in zip(views, pixels, strict=True):
        cmb = true_cmb(view.configuration, (7,))
        assert cmb is not None
        truth[:, where] = cmb[0]
    assert found.residuals is not None
    expected = pure_b((whole - truth)[:, union], union, seen)
    np.testing.assert_allclose(found.residuals[7], expected, atol=1e-10 * np.abs(expected).max())


def test_splits_of_one_sky_have_less_noise_than_one_map(ds: xr.Dataset) -> None:
    sky = observations([ExperimentView(ds, 1)], apodisation=15.0)
    skies = sky.skies(200)
    one, noise_of_one = observed_r(sky, [0], skies, Priors())
    four, model = observed_r(sky, [0, 1, 2, 3], skies, Priors())
    assert model.splits == 4
    assert np.all(model.noise < 0.4 * noise_of_one.noise)
    assert abs(four.ratio.r - one.ratio.r) < one.ratio.plus + one.ratio.minus


def test_what_cannot_be_is_refused(ds: xr.Dataset, drawn: Observations, skies: Skies) -> None:
    with pytest.raises(ConfigError, match="each has a CMB of its own"):
        observed_r(drawn, [0, 1], skies, Priors())
    with pytest.raises(ConfigError, match="realisation 99 has no usable fit in all of"):
        observed_r(drawn, [99], skies, Priors())
    with pytest.raises(ConfigError, match="pixels in common with"):
        observations([ExperimentView(ds, 1), ExperimentView(ds, 1)])
    few = ds.isel(realisation=slice(0, 12))
    sky = observations([ExperimentView(few, 1)], apodisation=15.0)
    with pytest.raises(ConfigError, match="11 simulated fits say what noise adds, 20 are needed"):
        observed_r(sky, [0], sky.skies(200), Priors())


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    store_main(["r", *map(str, words)])
    return capsys.readouterr().out


def test_the_command_says_r_its_limit_and_what_the_window_leaves(
    ds: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    path, label = ds.attrs["path"], str(ds["identity"].values[0])[:8]
    usual = ("--apodisation", 15, "--skies", 200)
    out = said(capsys, path, label, *usual).splitlines()
    assert out[0].startswith("r = ")
    assert out[1].startswith("r < ")
    assert "residual foregrounds" in out[2]
    assert "what is left of E modes is at most" in out[-1]
    found = json.loads(said(capsys, path, label, *usual, "--residual", "free", "--json"))
    assert found["r_limit_95"] > found["r"]
    assert found["A_residual_error"] > 0
    each = said(capsys, path, label, *usual, "--residual", 1, "--each").splitlines()
    assert each[0] == (
        "44 maps, each with the noise and residuals of the other half, of skies with r = 0.02"
    )
    assert each[-1].startswith("68 % intervals hold r in ")


def test_simulations_may_be_another_store(
    ds: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.zarr"
    run(grid(other, f"{GIVEN} mask.expression=GAL060 noise.seed=5"))
    path, label = ds.attrs["path"], str(ds["identity"].values[0])[:8]
    words = (path, label, "--apodisation", 15, "--skies", 200, "--simulations", other)
    assert said(capsys, *words).startswith("r = ")
    zone = str(ds["identity"].values[2])[:8]
    with pytest.raises(SystemExit):
        store_main(["r", str(path), zone, "--simulations", str(other)])
    assert f"no experiment with the clusters, solver and mask of {zone}" in capsys.readouterr().err
