"""B modes behind a window: no E modes, and what the definition says."""

import healpy as hp
import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.pure_b import pure_b, window
from sweep.sky.cmb import cmb_realisation
from sweep.spectra import harmonics, multipoles, power

NSIDE = 32
ELL = multipoles(NSIDE)
WHOLE = np.arange(hp.nside2npix(NSIDE))
HIGH = np.flatnonzero(np.abs(hp.pix2vec(NSIDE, WHOLE)[2]) > 0.35)
NOTHING = np.zeros(2 * NSIDE + 1)
RED = 1 / np.maximum(np.arange(2 * NSIDE + 1.0), 2) ** 2 * (np.arange(2 * NSIDE + 1) >= 2)


def sky(field: str, seed: int = 1) -> np.ndarray:
    """Q and U of E modes or B modes alone."""
    spectra = {"ee": NOTHING, "bb": NOTHING} | {field: RED}
    return cmb_realisation(spectra, NSIDE, seed)


def test_of_the_whole_sphere_they_are_the_b_modes() -> None:
    maps = sky("bb") + sky("ee", 2)
    found = pure_b(maps, WHOLE, window(NSIDE, WHOLE, 5.0))
    expected = harmonics(maps, NSIDE, WHOLE)[1]
    # healpy does not iterate the analysis of other spins
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


def test_e_modes_behind_a_window_are_not_taken_for_b_modes() -> None:
    seen = window(NSIDE, HIGH, 15.0)
    shape = np.zeros(WHOLE.size)
    shape[seen.pixels] = seen.spin_0
    e_modes, b_modes = sky("ee")[:, HIGH], sky("bb")[:, HIGH]
    inside = (ELL > 10) & (ELL < 50)
    pure = power(pure_b(e_modes, HIGH, seen))[inside].mean()
    plain = power(harmonics(e_modes * shape[HIGH], NSIDE, HIGH)[1])[inside].mean()
    assert pure < 0.02 * plain
    # and what is B stays: the share of the power that the window sees
    kept = power(pure_b(b_modes, HIGH, seen))[inside] / RED[ELL.clip(max=2 * NSIDE)][inside]
    assert kept.mean() == pytest.approx(seen.power, rel=0.15)


@pytest.mark.parametrize(("ell", "m"), [(4, 0), (7, 3), (12, 12), (25, 8)])
def test_they_are_projections_on_derivatives_of_harmonics_times_the_window(
    ell: int, m: int
) -> None:
    """The plain form: eth eth (W Y_lm) by its coefficients, and a sum over pixels."""
    seen = window(NSIDE, HIGH, 20.0)
    maps = sky("bb", 3)[:, HIGH] + sky("ee", 4)[:, HIGH]
    lmax = 3 * NSIDE - 1
    order = hp.Alm.getidx(lmax, ell, m)
    shape = np.zeros(WHOLE.size)
    shape[seen.pixels] = seen.spin_0
    parts = []
    for factor in (1.0, 1j):  # Y_lm is not real: twice its real part, and its imaginary one
        alm = np.zeros(hp.Alm.getsize(lmax), complex)
        alm[order] = factor if m else factor.real
        scalar = hp.alm2map(alm, NSIDE, lmax=lmax)
        product = hp.map2alm(scalar * shape, lmax=lmax, iter=3, pol=False)
        n = np.arange(lmax + 1.0)
        raised = hp.almxfl(product, np.sqrt(np.maximum((n + 2) * (n + 1) * n * (n - 1), 0)))
        real, imaginary = hp.alm2map_spin([-raised, 0 * raised], NSIDE, 2, lmax)
        parts.append(real + 1j * imaginary)
    plus, minus = parts
    norm = np.sqrt((ell + 2) * (ell + 1) * ell * (ell - 1))
    p = np.zeros(WHOLE.size, complex)
    p[HIGH] = maps[0] + 1j * maps[1]
    area = hp.nside2pixarea(NSIDE)

    def odd(function: np.ndarray) -> float:
        # of a real field a, the integral of P (eth eth a)* is -(E + iB) projected on it
        return -float(np.sum(p * np.conj(function)).imag) * area / norm

    found = pure_b(maps, HIGH, seen)
    place = sum(each + 1 for each in range(2, ell)) + m
    expected = odd(plus) + 0j if m == 0 else (odd(plus) + 1j * odd(minus)) / 2
    assert found[place] == pytest.approx(expected, abs=2e-3 * np.abs(found).max())


def test_a_window_falls_smoothly_to_the_edge_and_is_whole_inside() -> None:
    seen = window(NSIDE, HIGH, 10.0)
    assert set(seen.pixels) <= set(HIGH)
    latitude = np.degrees(np.arcsin(np.abs(hp.pix2vec(NSIDE, seen.pixels)[2])))
    deep = latitude > np.degrees(np.arcsin(0.35)) + 13
    np.testing.assert_array_equal(seen.spin_0[deep], 1.0)
    assert np.corrcoef(latitude[~deep], seen.spin_0[~deep])[0, 1] > 0.9
    assert 0 < seen.spin_0.min() < 0.1
    half = np.abs(seen.spin_0 - 0.5).argmin()
    outside = np.setdiff1d(WHOLE, HIGH)
    dot = np.max(np.array(hp.pix2vec(NSIDE, seen.pixels[half])) @ hp.pix2vec(NSIDE, outside))
    x = np.sqrt((1 - dot) / (1 - np.cos(np.radians(10.0))))
    assert seen.spin_0[half] == pytest.approx((1 - np.cos(np.pi * x)) / 2, rel=1e-9)


def test_an_edge_without_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="apodisation = 0 degrees: must be above 0"):
        window(NSIDE, HIGH, 0.0)
