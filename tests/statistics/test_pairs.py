"""Antithetic noise: its draws, and the pair as the unit of every error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.setup import build
from sweep.config import compose
from sweep.errors import ConfigError
from sweep.session import Rules
from sweep.spectra import power
from sweep.statistics.common_variance import of_pairs, shares
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.front import front
from sweep.statistics.halves import best_by_halves
from sweep.statistics.observed import Observations
from sweep.statistics.pairs import antithetic, by_pair, partners
from sweep.statistics.purified import purified_spectra
from sweep.statistics.race import Look, Terms, look
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best
from sweep.statistics.variance import convergence, paired, statistics
from sweep.store import NOISELESS
from sweep.testing.small import grid, run, small

GIVEN = "noise.antithetic=true noise.realisations=8 store.maps=float64 solver=newton"
COUNTS = (1, 6)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("pairs") / "a.zarr"
    points = [f"{GIVEN} clusters.beta_dust={count}" for count in COUNTS]
    plain = GIVEN.replace("noise.antithetic=true ", "clusters.beta_dust=1 ")
    done = run(grid(path, *points, plain))
    found = sweep.open(path)
    order = found["identity"].values.tolist()
    return found.isel(experiment=[order.index(identity) for identity in done.identities])


def means(ds: xr.Dataset, name: str, which: int) -> np.ndarray:
    values = ds[name].values[which]
    return (values[::2] + values[1::2]) / 2


def test_two_realisations_have_one_draw_with_either_sign() -> None:
    plain, pairs = (build(small(f"noise.antithetic={on}")) for on in ("false", "true"))
    signal = np.asarray(pairs.maps((NOISELESS,))[0])
    for number in range(4):
        noise = np.asarray(plain.maps((number // 2,))[0]) - signal
        found = np.asarray(pairs.maps((number,))[0]) - signal
        np.testing.assert_allclose(found, noise * (-1) ** number, atol=1e-12)


def test_which_noise_it_is_stands_in_the_store_and_tells_groups_apart(ds: xr.Dataset) -> None:
    assert antithetic(ds).tolist() == [True, True, False]
    assert antithetic(ds.isel(experiment=[2])).tolist() == [False]
    groups = best(ds, "cmb_variance")["comparison_group"]
    assert len(set(groups)) == 2


def test_pairs_stand_at_their_even_number_and_need_both() -> None:
    numbers = np.array([NOISELESS, 0, 1, 2, 3, 5, 6])
    assert [each.tolist() for each in partners(numbers)] == [[1, 3], [2, 4]]
    values = np.arange(14.0).reshape(2, 7)
    usable = np.ones((2, 7), bool)
    usable[0, 4] = False
    found, both = by_pair(values, usable, numbers, np.array([True, False]))
    assert found[0, 1] == 1.5
    assert both[0].tolist() == [False, True, False, False, False, False, False]
    np.testing.assert_array_equal(found[1], values[1])
    assert both[1].all()


def test_the_error_of_a_mean_is_that_of_the_means_of_pairs(ds: xr.Dataset) -> None:
    found, running = statistics(ds), convergence(ds)
    for i in (0, 1):
        expected = means(ds, "cmb_variance", i).std(ddof=1) / 2
        assert found["standard_error"].values[i] == pytest.approx(expected)
        assert running["standard_error"].values[i, -1] == pytest.approx(expected)
        assert found["mean"].values[i] == pytest.approx(ds["cmb_variance"].values[i].mean())
    whole = ds["cmb_variance"].values[2].std(ddof=1) / np.sqrt(8)
    assert found["standard_error"].values[2] == pytest.approx(whole)
    gaps = means(ds, "cmb_variance", 1) - means(ds, "cmb_variance", 0)
    error = paired(ds, 0)["standard_error"].values[1]
    assert error == pytest.approx(gaps.std(ddof=1) / 2)


def test_rankings_halves_and_looks_count_pairs(ds: xr.Dataset) -> None:
    pairs = ds.isel(experiment=[0, 1])
    table = best(pairs, "cmb_variance")
    assert table["compared"].tolist() == [4, 4]
    first, second = (COUNTS.index(n) for n in table["clusters.beta_dust"])
    gaps = means(ds, "cmb_variance", second) - means(ds, "cmb_variance", first)
    assert table["delta_to_best"].iloc[1] == pytest.approx(gaps.mean())
    assert table["delta_to_best_error"].iloc[1] == pytest.approx(gaps.std(ddof=1) / 2)
    rows = best_by_halves(pairs, "cmb_variance")
    assert rows["chosen_by"].tolist() == ["0-2", "4-6"]
    assert rows["compared"].tolist() == [2, 2]
    found = look(pairs, "cmb_variance", Terms(lost=0.05, looks=1, rivals=1, enough=0.0))
    assert isinstance(found, Look)
    assert found.realisations == 4


def test_what_fits_have_in_common_is_seen_between_pairs(ds: xr.Dataset) -> None:
    one = read_residuals(ExperimentView(ds, 1))
    plain = replace(one, odd=None)
    assert one.realisations.tolist() == [0, 2, 4, 6]
    assert one.odd is not None
    spectra = one.spectra("cross")
    fits = np.concatenate([one.alms + one.odd, one.alms - one.odd])
    np.testing.assert_allclose(spectra.total, power(fits).mean(axis=0) / one.sky_fraction)
    between = [power(one.alms[i], one.alms[j]) for i in range(4) for j in range(4) if i != j]
    np.testing.assert_allclose(spectra.systematic, np.mean(between, axis=0) / one.sky_fraction)
    np.testing.assert_allclose(spectra.systematic, plain.spectra("cross").systematic)
    half = one.select([0, 4])
    assert half.odd is not None
    assert len(half.odd) == 2


def test_the_front_takes_pairs_too(ds: xr.Dataset) -> None:
    rows = front(ds.isel(experiment=[0, 1]))
    assert rows["compared"].tolist() == [4, 4]
    rng = np.random.default_rng(0)
    s, noise = rng.normal(size=300), rng.normal(size=(40, 300))
    maps = np.stack([s + noise, s - noise], axis=1).reshape(80, 300)
    covariance = maps @ maps.T / 300
    _, between, own = of_pairs(np.arange(80), covariance)
    found = shares(between, own)
    assert found.systematic == pytest.approx(np.mean(s**2), rel=1e-9)
    assert found.statistical == pytest.approx(np.mean(noise**2), rel=1e-9)


@pytest.mark.parametrize(
    ("first", "most", "rounds"),
    [(5, 40, [6, 12, 24, 40]), (7, 20, [8, 16, 20]), (3, 4, [4])],
)
def test_rounds_of_a_race_hold_whole_pairs(first: int, most: int, rounds: list[int]) -> None:
    rules = Rules("cmb_variance", first=first, growth=2.0, lost=0.05, enough=0.0)
    assert rules.rounds(most, pairs=True) == rounds


def test_observed_maps_know_their_draw() -> None:
    nothing = np.zeros((4, 1))
    numbers = np.array([0, 1, 2, 5])
    of = {"labels": (), "seen": None, "fwhm": 0.0, "true_r": None, "same_sky": True}
    make: Callable[..., Observations] = Observations
    for pairs, draws in ((True, [0, 0, 1, 2]), (False, [0, 1, 2, 5])):
        sky = make(**of, realisations=numbers, recovered=nothing, residuals=None, pairs=pairs)
        assert sky.draws.tolist() == draws


def test_what_has_no_pairs_is_refused(ds: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="noise.realisations = 5: noise.antithetic has its draws"):
        compose(["noise.antithetic=true", "noise.realisations=5"])
    with pytest.raises(ConfigError, match="noise.antithetic = True: maps of sky.path hold their"):
        compose(["sky=maps", "sky.path='{frequency}.fits'", "noise.antithetic=true"])
    with pytest.raises(ConfigError, match="take the noise-free estimate"):
        purified_spectra(ExperimentView(ds, 0), "cross")
