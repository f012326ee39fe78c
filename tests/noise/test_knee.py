"""1/f noise: its spectrum, its address, and the variance that the likelihood takes for it."""

import healpy as hp
import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.jax_session import jax_session
from sweep.noise.knee import pixel_variance, red_maps, red_spectrum
from tests.noise.cases import BANDS, NPIX, built, conf_of, noise_of

DRAWS = 50
KNEE = "instrument.ell_knee=[0,10,20,20,30,40]"
SLOPE = "instrument.alpha_knee=[-2.4,-2.4,-2.5,-1,-3,-3]"


@pytest.fixture(autouse=True)
def _session():
    with jax_session():
        yield


def test_without_a_knee_it_is_white_noise_bit_for_bit() -> None:
    zeros = f"instrument.ell_knee=[{','.join('0' * BANDS)}]"
    knee, white = built(conf_of("noise=knee", zeros, SLOPE)), built(conf_of())
    np.testing.assert_array_equal(knee.maps((0, 5)), white.maps((0, 5)))
    np.testing.assert_array_equal(knee.problem.inverse_sigma, white.problem.inverse_sigma)
    one = built(conf_of("noise=knee", KNEE, SLOPE))
    np.testing.assert_array_equal(one.noise(3)[0], white.noise(3)[0])
    assert not np.array_equal(one.noise(3)[1], white.noise(3)[1])


def test_the_mean_spectrum_of_draws_is_that_of_the_formula() -> None:
    """White noise on pixels has its spectrum up to a few per cent only near the pixel scale."""
    nside = 16
    conf = conf_of("noise=knee", KNEE, SLOPE, f"sky.nside={nside}")
    noise, depth = noise_of(conf), np.array(conf.instrument.depth_p)
    ell = np.arange(2, 2 * nside)
    for band in (2, 5):
        found = []
        for number in range(DRAWS):
            q, u = np.asarray(noise.draw(number)[band])
            alms = hp.map2alm([np.zeros(q.size), q, u], iter=3, lmax=3 * nside - 1)
            found.append([hp.alm2cl(alm)[ell] for alm in alms[1:]])
        knee, slope = conf.instrument.ell_knee[band], conf.instrument.alpha_knee[band]
        expected = np.radians(depth[band] / 60) ** 2 * (1 + (ell / knee) ** slope)
        error = expected * np.sqrt(2 / (2 * ell + 1) / DRAWS)
        pulls = (np.mean(found, axis=0) - expected) / error
        assert np.abs(pulls.mean(axis=1)).max() < 3 / np.sqrt(ell.size)
        assert np.sqrt(np.mean(pulls**2)) < 1 + 3 / np.sqrt(4 * ell.size)
        np.testing.assert_allclose(noise.spectrum[band][ell], expected, rtol=1e-12)


def test_the_likelihood_has_the_variance_of_a_pixel() -> None:
    noise = noise_of(conf_of("noise=knee", KNEE, SLOPE, "sky.nside=16"))
    drawn = np.stack([np.asarray(noise.draw(i)) for i in range(DRAWS)])
    found = drawn.var(axis=(0, 2, 3)) / noise.sigma**2
    # few multipoles hold most of the variance of the steep bands
    assert np.abs(found - 1).max() < 0.25
    assert abs(found[0] - 1) < 0.02


def test_draws_have_an_address() -> None:
    spectrum = red_spectrum(1.0, 10.0, -2.0, 2, 47)
    one = red_maps(1, 3, 0, spectrum, 16)
    np.testing.assert_array_equal(one, red_maps(1, 3, 0, spectrum, 16))
    others = [red_maps(*a, spectrum, 16) for a in ((2, 3, 0), (1, 4, 0), (1, 3, 1))]
    correlation = np.corrcoef([one.ravel(), *(o.ravel() for o in others)]) - np.eye(4)
    assert np.abs(correlation).max() < 0.5
    np.testing.assert_allclose(red_maps(1, 3, 0, 4 * spectrum, 16), 2 * one, rtol=1e-12)


def test_what_is_below_the_lowest_multipole_is_not_there() -> None:
    spectrum = red_spectrum(2.0, 10.0, -2.0, 5, 47)
    assert not spectrum[:5].any()
    np.testing.assert_allclose(spectrum[5:], 2 * (np.arange(5, 48) / 10) ** -2.0)
    both = np.stack([spectrum, red_spectrum(2.0, 10.0, -2.0, 2, 47)])
    assert np.diff(pixel_variance(both)) > 0
    full, filtered = (
        noise_of(conf_of("noise=knee", KNEE, SLOPE, f"noise.lowest={low}")) for low in (2, 5)
    )
    assert np.all(filtered.sigma[1:] < full.sigma[1:])


def test_a_ratio_scales_both_parts_and_a_mask_takes_out_pixels() -> None:
    words = ("noise=knee", KNEE, SLOPE)
    one, twice = (built(conf_of(*words, f"noise.ratio={r}")) for r in (1, 2))
    np.testing.assert_allclose(twice.noise(0), 2 * one.noise(0), rtol=1e-12)
    part = built(conf_of(*words, "mask.expression=GAL060"))
    assert part.mask.pixels.size < NPIX
    np.testing.assert_array_equal(part.noise(0), one.noise(0)[..., part.mask.pixels])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "instrument `so_sat` has no ell_knee; give one value a band, instrument.ell_knee="),
        ((KNEE,), "instrument `so_sat` has no alpha_knee"),
        (
            (KNEE, "instrument.alpha_knee=[-1,-2]"),
            "alpha_knee: expected 6 values, one a band, got 2",
        ),
        ((KNEE, "instrument.alpha_knee=[1,1,1,1,1,1]"), "alpha_knee = .*must be negative"),
        (("instrument.ell_knee=[-1]", SLOPE), "ell_knee = .*must be at least 0"),
    ],
)
def test_what_makes_no_knee_is_refused(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        built(conf_of("noise=knee", *words))
