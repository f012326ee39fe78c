"""Spectra against healpy's own, and coefficients that add up over disjoint masks."""

import healpy as hp
import numpy as np
import pytest

from sweep.mask import Mask
from sweep.spectra import harmonic_count, harmonics, multipoles, power, residual_arrays
from sweep.store import fit_axes

NSIDE = 8
PIXELS = hp.nside2npix(NSIDE)


def maps(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 2, PIXELS))


def test_spectra_are_those_of_anafast() -> None:
    kept = np.flatnonzero(np.random.default_rng(1).random(PIXELS) < 0.6)
    seen = maps(1)[..., kept]
    full = np.full((3, PIXELS), hp.UNSEEN)
    full[0], full[1:, kept] = 0.0, seen[0]
    expected = np.asarray(hp.anafast(full, lmax=2 * NSIDE + 1, pol=True))
    ours = power(harmonics(seen, NSIDE, kept)[0])
    ell = multipoles(NSIDE)
    assert ell.tolist() == list(range(2, 2 * NSIDE + 2))
    np.testing.assert_allclose(ours, expected[1:3][:, ell], rtol=1e-10)


def test_spectra_of_a_mask_with_a_soft_edge_are_of_the_weighted_map() -> None:
    theta = hp.pix2ang(NSIDE, np.arange(PIXELS))[0]
    mask = Mask(NSIDE, theta < 1.2, "CAP", apodisation=25.0)
    seen = maps(2)[..., mask.pixels]
    found = residual_arrays(seen, mask, spectra=True)
    full = np.zeros((3, PIXELS))
    full[1:, mask.pixels] = mask.weights * seen[1]
    expected = np.asarray(hp.anafast(full, lmax=2 * NSIDE + 1, pol=True))[2, multipoles(NSIDE)]
    fraction = np.mean(np.pad(mask.weights, (0, PIXELS - mask.weights.size)) ** 2)
    np.testing.assert_allclose(found["bb_residual"][1], expected / fraction, rtol=1e-10)
    np.testing.assert_allclose(found["sky_fraction"], fraction)
    # variances are of the pixels, which have no edge
    np.testing.assert_allclose(found["residual_variance"], seen.var(axis=-1).sum(axis=-1))


def test_coefficients_of_disjoint_masks_add_up() -> None:
    zone = np.random.default_rng(2).integers(3, size=PIXELS)
    whole = maps()
    parts = [harmonics(whole[..., zone == z], NSIDE, np.flatnonzero(zone == z)) for z in range(3)]
    together = harmonics(whole, NSIDE, np.arange(PIXELS))
    np.testing.assert_allclose(sum(parts), together, rtol=0, atol=1e-12)


def test_a_coefficient_is_where_it_is_said_to_be() -> None:
    lmax = 2 * NSIDE + 1
    alm = np.zeros(hp.Alm.getsize(lmax), np.complex128)
    alm[hp.Alm.getidx(lmax, 4, 3)] = 2.0 + 1.0j
    q, u = hp.alm2map_spin([np.zeros_like(alm), alm], NSIDE, 2, lmax)
    e, b = harmonics(np.stack([q, u]), NSIDE, np.arange(PIXELS))
    place = 3 + 4 + 3  # those of l = 2 and 3 come before
    assert np.argmax(np.abs(b)) == place
    np.testing.assert_allclose(b[place], 2.0 + 1.0j, rtol=1e-3)
    assert np.abs(e).max() < 1e-3
    expected = np.zeros(len(multipoles(NSIDE)))
    expected[2] = 2 * 5.0 / 9  # m and -m, 2l + 1 = 9
    np.testing.assert_allclose(power(b), expected, rtol=5e-3, atol=1e-5)


def test_a_map_that_is_not_finite_has_no_spectrum_and_spoils_no_other() -> None:
    good = maps(3)
    bad = good.copy()
    bad[1, 0, 5] = np.nan
    found, expected = (harmonics(m, NSIDE, np.arange(PIXELS)) for m in (bad, good))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


def test_cross_spectra_are_those_of_sums() -> None:
    one, other = harmonics(maps(), NSIDE, np.arange(PIXELS))
    both = (power(one + other) - power(one) - power(other)) / 2
    np.testing.assert_allclose(power(one, other), both, atol=1e-12)


@pytest.mark.parametrize("nside", [1, 4, 64])
def test_the_store_has_room_for_all(nside: int) -> None:
    axes = fit_axes(nside, {}, 0, "alm", 0)
    assert axes == {"multipole": len(multipoles(nside)), "harmonic": harmonic_count(nside)}
