"""Systematic and statistical residuals without the bias of a finite number of realisations."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.estimators import Estimator
from sweep.results import read_residuals
from sweep.spectra import harmonic_count, power
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.recovered import kept_pixels, recovered_cmb
from sweep.statistics.residuals import Field, Residuals
from sweep.testing.small import run, small

NSIDE = 2
COUNT = harmonic_count(NSIDE)


def alms(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal((*shape, COUNT)) + 1j * rng.standard_normal((*shape, COUNT))


ESTIMATOR: dict[bool, Estimator] = {True: "noise_free", False: "cross"}


def residuals(rng: np.random.Generator, count: int, noiseless: bool = False) -> Residuals:
    s, n = SYSTEMATIC, alms(rng, count)
    return Residuals("test", 0.5, np.arange(count), s + n, s if noiseless else None)


SYSTEMATIC = 0.3 * alms(np.random.default_rng(0))


def test_nside_is_known_from_the_coefficients() -> None:
    assert residuals(np.random.default_rng(1), 2).nside == NSIDE


def test_the_systematic_part_is_what_different_realisations_have_in_common() -> None:
    one = residuals(np.random.default_rng(1), 4)
    found = one.spectra("cross")
    pairs = [power(a, b) / 0.5 for a, b in permutations(one.alms, 2)]
    np.testing.assert_allclose(found.systematic, np.mean(pairs, axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.total, np.mean(power(one.alms), axis=0) / 0.5, rtol=1e-12)
    np.testing.assert_allclose(found.total, found.systematic + found.statistical, rtol=1e-12)


def test_realisations_that_are_drawn_twice_make_no_pair_with_themselves() -> None:
    one = residuals(np.random.default_rng(2), 3)
    weights = np.array([[2, 0, 1], [1, 1, 1]])
    found = one.spectra("cross", weights)
    np.testing.assert_allclose(found.systematic[0], power(one.alms[0], one.alms[2]) / 0.5)
    np.testing.assert_allclose(found.systematic[1], one.spectra("cross").systematic)
    doubled = (2 * power(one.alms[0]) + power(one.alms[2])) / 3 / 0.5
    np.testing.assert_allclose(found.total[0], doubled)


@pytest.mark.parametrize("noiseless", [False, True])
def test_both_parts_are_unbiased(noiseless: bool) -> None:
    rng = np.random.default_rng(3)
    found = [residuals(rng, 3, noiseless).spectra(ESTIMATOR[noiseless]) for _ in range(3000)]
    truth = {"systematic": power(SYSTEMATIC) / 0.5, "statistical": _expected_noise()}
    for name, expected in truth.items():
        each = np.array([getattr(one, name) for one in found])
        error = each.std(axis=0) / np.sqrt(len(each))
        assert (np.abs(each.mean(axis=0) - expected) <= 4 * error + 1e-12).all(), name


def _expected_noise() -> np.ndarray:
    # real and imaginary part have variance 1: 2 for each m
    ell = np.arange(2, 2 * NSIDE + 2)
    return (2 + 2 * 2 * ell) / (2 * ell + 1) / 0.5


def test_too_few_realisations_are_one_line() -> None:
    rng = np.random.default_rng(4)
    with pytest.raises(ConfigError, match="test: 1 usable realisations; the cross est.* needs 2"):
        residuals(rng, 1, noiseless=True).spectra("cross")
    with pytest.raises(ConfigError, match="test: .*noise-free estimate needs a usable noise-f"):
        residuals(rng, 3).spectra("noise_free")
    assert residuals(rng, 1, noiseless=True).spectra("noise_free").total.shape == (2 * NSIDE,)


def test_the_estimator_is_the_one_that_was_asked_for() -> None:
    """A noise-free fit that is there does not take the place of the cross estimate."""
    rng = np.random.default_rng(5)
    one = residuals(rng, 4, noiseless=True)
    without = replace(one, noiseless=None)
    cross, free = one.spectra("cross"), one.spectra("noise_free")
    np.testing.assert_array_equal(cross.systematic, without.spectra("cross").systematic)
    np.testing.assert_allclose(free.systematic, power(SYSTEMATIC) / 0.5)
    assert not np.allclose(cross.systematic, free.systematic)
    np.testing.assert_array_equal(cross.total, free.total)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    """The same fits, with coefficients, with maps, with parameters, and with neither."""
    words = ["noise.noiseless=true", "noise.realisations=3", "mask.expression=GAL040"]
    kept = {
        "alm": ["store.spectra=alm", "store.parameters=false"],
        "maps": ["store.maps=float64", "store.parameters=false"],
        "parameters": [],
        "nothing": ["store.parameters=false"],
    }
    folder = tmp_path_factory.mktemp("residuals")
    for name, more in kept.items():
        run([small(*words, *more, store=folder / f"{name}.zarr")])
    return {name: sweep.open(folder / f"{name}.zarr") for name in kept}


@pytest.mark.parametrize("field", ["E", "B"])
@pytest.mark.parametrize("source", ["alm", "parameters"])
def test_workers_maps_and_parameters_give_the_same(
    stores: dict[str, xr.Dataset], source: str, field: Field
) -> None:
    found = read_residuals(stores[source], 0, field)
    by_maps = read_residuals(stores["maps"], 0, field)
    assert found.realisations.tolist() == by_maps.realisations.tolist() == [0, 1, 2]
    assert found.sky_fraction == by_maps.sky_fraction == pytest.approx(0.4, abs=0.01)
    assert found.noiseless is not None
    assert by_maps.noiseless is not None
    # coefficients are kept in single precision
    atol = (1e-6 if source == "alm" else 1e-11) * np.abs(by_maps.alms).max()
    np.testing.assert_allclose(found.alms, by_maps.alms, rtol=0, atol=atol)
    np.testing.assert_allclose(found.noiseless, by_maps.noiseless, rtol=0, atol=atol)


@pytest.mark.parametrize("field", ["E", "B"])
def test_spectra_of_workers_are_those_of_maps(stores: dict[str, xr.Dataset], field: Field) -> None:
    by_maps = read_residuals(stores["maps"], 0, field)
    assert by_maps.noiseless is not None
    stored = stores["alm"][f"{field * 2}_residual".lower()].values[0]
    everything = np.concatenate([by_maps.noiseless[None], by_maps.alms])
    np.testing.assert_allclose(stored, power(everything) / by_maps.sky_fraction, rtol=1e-5)


def test_a_map_made_again_is_the_one_that_was_kept(stores: dict[str, xr.Dataset]) -> None:
    kept = recovered_cmb(ExperimentView(stores["maps"], 0), [2, -1])
    again = recovered_cmb(ExperimentView(stores["parameters"], 0), [2, -1])
    assert kept.shape == (2, 2, kept_pixels(ExperimentView(stores["maps"], 0)).size)
    pixels = [kept_pixels(ExperimentView(stores[s], 0)) for s in ("maps", "parameters")]
    np.testing.assert_array_equal(pixels[0], pixels[1])
    np.testing.assert_allclose(again, kept, rtol=0, atol=1e-11 * np.abs(kept).max())


def test_where_nothing_was_kept_it_says_what_to_do(stores: dict[str, xr.Dataset]) -> None:
    with pytest.raises(ConfigError, match="neither maps nor parameters were kept; run it"):
        read_residuals(stores["nothing"], 0)
