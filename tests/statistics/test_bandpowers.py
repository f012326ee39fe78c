"""Band powers: their mean, what noise adds, and how they scatter."""

from pathlib import Path

import healpy as hp
import numpy as np
import pytest

from sweep.cache import Cache
from sweep.pure_b import Window, window
from sweep.spectra import harmonic_count, multipoles, power
from sweep.statistics.bandpowers import Skies, band_edges, banded, bandpowers, simulated_skies

NSIDE = 16
COUNT = harmonic_count(NSIDE)


def drawn(count: int, spectrum: float, seed: int) -> np.ndarray:
    """Coefficients of Gaussian skies with this power in each multipole."""
    rng = np.random.default_rng(seed)
    real, imaginary = rng.normal(0, np.sqrt(spectrum / 2), (2, count, COUNT))
    alms = real + 1j * imaginary
    first = np.cumsum([0, *(multipoles(NSIDE)[:-1] + 1)])
    alms[:, first] = np.sqrt(2) * real[:, first]
    return alms


@pytest.fixture(scope="module", name="skies")
def _skies() -> Skies:
    return Skies(drawn(400, 0.01, 1), drawn(400, 1.0, 2), drawn(400, 100.0, 3))


WHOLE = window(NSIDE, np.arange(hp.nside2npix(NSIDE)), 5.0)


def test_bands_hold_every_multipole_from_the_first_once_and_grow() -> None:
    for nside in (4, 16, 64, 512):
        edges = band_edges(nside)
        assert edges[-1] == 2 * nside + 2
        assert (np.diff(edges) > 0).all()
        if nside > 8:
            assert edges[0] == 5
            assert np.diff(edges).min() >= 6


def test_the_power_of_a_band_is_the_mean_over_its_modes() -> None:
    edges, ell = np.array([5, 9, 20]), multipoles(NSIDE)
    spectra = np.random.default_rng(0).normal(size=(3, len(ell)))
    for band, (first, end) in enumerate([(5, 9), (9, 20)]):
        there = (ell >= first) & (ell < end)
        expected = np.average(spectra[:, there], weights=2 * ell[there] + 1, axis=1)
        np.testing.assert_allclose(banded(spectra, edges)[:, band], expected)


def test_the_mean_is_that_of_skies_with_noise_and_residuals(skies: Skies) -> None:
    common = drawn(1, 0.5, 4)[0]
    model = bandpowers(skies, common + drawn(300, 0.3, 5), WHOLE)
    observed = skies.of(0.02, 1.5) + common + drawn(400, 0.3, 6)
    expected = model.mean(0.02, 1.5, 1.0)
    measured = banded(power(observed), model.edges).mean(axis=0)
    scatter = banded(power(observed), model.edges).std(axis=0) / 20
    assert np.all(np.abs(measured - expected) < 4 * scatter)
    np.testing.assert_allclose(model.noise, 0.3, rtol=0.05)


def test_cross_powers_of_splits_are_free_of_noise(skies: Skies) -> None:
    model = bandpowers(skies, drawn(100, 3.0, 5), WHOLE, splits=3)
    splits = np.stack([skies.of(0.0) + drawn(400, 3.0, 10 + i) for i in range(3)])
    plain = [banded(power(splits[i], splits[j]), model.edges) for i, j in ((0, 1), (0, 2), (1, 2))]
    found = model.observed(splits)
    np.testing.assert_allclose(found - model.noise, np.mean(plain, axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((found - model.noise).mean(axis=0), 1.01, rtol=0.05)
    # as one map with the noise of `model.noise` scatters
    variance = found.var(axis=0)
    np.testing.assert_allclose(np.diag(model.covariance), variance, rtol=0.4)
    modes = np.add.reduceat(2 * np.arange(5, 34) + 1, model.edges[:-1] - 5)
    np.testing.assert_allclose(variance, 2 * (1.01 + 3 / np.sqrt(6)) ** 2 / modes, rtol=0.35)


def test_simulated_noise_scatters_as_noise_does_however_few_fits_it_is_of(skies: Skies) -> None:
    nothing = Skies(*(np.zeros((400, COUNT), complex) for _ in range(3)))
    noise = drawn(20, 1.0, 5)
    model = bandpowers(nothing, noise, WHOLE)
    plain = banded(power(drawn(400, 1.0, 7)), model.edges)
    np.testing.assert_allclose(np.diag(model.covariance), plain.var(axis=0) * 1.05, rtol=0.35)
    first, second = model.covariance[0, 0], model.covariance[1, 1]
    assert abs(model.covariance[0, 1]) < 0.3 * np.sqrt(first * second)


def test_skies_are_those_of_the_spectra_and_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    seen: Window = window(NSIDE, np.arange(hp.nside2npix(NSIDE)), 5.0)
    found = simulated_skies(seen, 30, 0, cache)
    again = simulated_skies(seen, 30, 0, cache)
    np.testing.assert_array_equal(found.tensor, again.tensor)
    others = simulated_skies(seen, 30, 1, cache)
    assert not np.array_equal(found.lensing, others.lensing)
    beam = simulated_skies(seen, 30, 0, cache, fwhm=600.0)
    high = multipoles(NSIDE) > 20
    assert power(beam.lensing)[:, high].mean() < 0.5 * power(found.lensing)[:, high].mean()
    # tensor modes at r = 1 are some ten times lensing at the recombination bump, more below
    low = multipoles(NSIDE) < 10
    ratio = power(found.tensor)[:, low].mean() / power(found.lensing)[:, low].mean()
    assert ratio > 10
    assert len(found) == 30
