"""Smoothing to one resolution: signal, truth and noise."""

import healpy as hp
import numpy as np
import pytest

from sweep.beams import Beams, smoothed, window
from sweep.errors import ConfigError

NSIDE = 16
NPIX = hp.nside2npix(NSIDE)
LMAX = 3 * NSIDE - 1


def sky(seed: int = 0) -> np.ndarray:
    """Q and U with power up to 2 nside, as skies have it."""
    rng = np.random.default_rng(seed)
    size = hp.Alm.getsize(2 * NSIDE)
    alms = rng.standard_normal((2, size)) + 1j * rng.standard_normal((2, size))
    ell, m = hp.Alm.getlm(2 * NSIDE)
    alms[:, m == 0] = alms[:, m == 0].real
    alms[:, ell < 2] = 0
    return np.stack(hp.alm2map_spin(list(alms), NSIDE, 2, 2 * NSIDE))


def test_a_beam_is_healpys() -> None:
    maps = sky()
    expected = hp.smoothing(
        np.concatenate([np.zeros((1, NPIX)), maps]), fwhm=np.radians(8.0), pol=True, lmax=LMAX
    )[1:]
    np.testing.assert_allclose(smoothed(maps, window(480.0, LMAX)), expected, atol=1e-10)


def test_the_beam_of_a_band_and_what_comes_after_make_the_beam_of_the_fit() -> None:
    maps = np.stack([sky(1), sky(2)])
    beams = Beams(np.array([100.0, 500.0]), 600.0, NSIDE)
    seen = np.stack([smoothed(m, window(f, LMAX)) for m, f in zip(maps, beams.fwhm, strict=True)])
    after = beams.noise(seen)  # what is done to the maps of a band, whatever is in them
    np.testing.assert_allclose(after, beams.sky(maps), atol=1e-2 * maps.std())


def test_a_band_that_has_the_resolution_of_the_fit_is_as_the_others() -> None:
    """Else its noise, and with it its weight, would be another at the same power of noise."""
    beams = Beams(np.array([299.9, 300.0]), 300.0, NSIDE)
    np.testing.assert_allclose(beams.transfers[1], 1.0)
    np.testing.assert_allclose(*beams.variance, rtol=1e-2)


@pytest.mark.parametrize("fwhm_out", [450.0, 700.0])
def test_the_variance_of_smoothed_noise_is_that_of_draws(fwhm_out: float) -> None:
    beams = Beams(np.array([0.0, 200.0]), fwhm_out, NSIDE)
    rng = np.random.default_rng(1)
    draws = np.stack([beams.noise(rng.standard_normal((2, 2, NPIX))) for _ in range(40)])
    found = draws.var(axis=(0, 2, 3))
    np.testing.assert_allclose(found, beams.variance, rtol=0.03)


def test_maps_are_not_sharpened() -> None:
    with pytest.raises(ConfigError, match="fwhm_out = 30 arcmin: band 1 has a beam of 40"):
        Beams(np.array([10.0, 40.0, 20.0]), 30.0, NSIDE)


def test_bad_pixels_are_not_spread() -> None:
    maps = sky()[None]
    maps[0, 1, 7] = np.nan
    with pytest.raises(ConfigError, match="the sky has 1 bad pixels"):
        Beams(np.array([0.0]), 500.0, NSIDE).sky(maps)
