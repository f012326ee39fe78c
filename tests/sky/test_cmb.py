import healpy as hp
import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.sky.cmb import cmb_by_realisation, cmb_realisation, cmb_spectra
from sweep.sky.harmonics import polarised_map, unit_alms


def band_power(spectrum, ell):
    return ell * (ell + 1) / (2 * np.pi) * spectrum[ell]


def test_spectra_are_the_known_ones(cache):
    spectra = cmb_spectra(0.0, 1000, cache)
    assert spectra["ee"].shape == spectra["bb"].shape == (1001,)
    assert np.all(spectra["ee"][:2] == 0)
    # lensing B modes are white noise of 5 uK arcmin on large scales (Lewis & Challinor 2006)
    depth = np.sqrt(spectra["bb"][100]) * 10800 / np.pi
    np.testing.assert_allclose(depth, 4.9, rtol=0.05)
    # third peak of EE near ell = 1000, about 40 uK^2 (Planck 2018 V, figure 1)
    np.testing.assert_allclose(band_power(spectra["ee"], 1000), 41, rtol=0.1)


def test_tensors_are_linear_in_r(cache):
    zero, one, some = (cmb_spectra(r, 300, cache) for r in (0.0, 1.0, 0.03))
    for field in ("ee", "bb"):
        expected = zero[field] + 0.03 * (one[field] - zero[field])
        np.testing.assert_allclose(some[field], expected, rtol=1e-10)
    # the recombination bump of r = 1: 0.065 uK^2 at ell = 80
    np.testing.assert_allclose(band_power(one["bb"] - zero["bb"], 80), 0.065, rtol=0.05)
    assert np.all(one["bb"][2:] > zero["bb"][2:])


def test_lmax_only_cuts(cache):
    short, long = cmb_spectra(0.01, 16, cache), cmb_spectra(0.01, 200, cache)
    np.testing.assert_array_equal(short["bb"], long["bb"][:17])


@pytest.mark.parametrize("r", [-0.1, float("nan"), float("inf")])
def test_bad_r(cache, r):
    with pytest.raises(ConfigError, match="must be at least 0"):
        cmb_spectra(r, 16, cache)


def test_bad_lmax(cache):
    with pytest.raises(ConfigError, match="lmax = 1"):
        cmb_spectra(0.0, 1, cache)


def test_unit_alms_have_unit_power():
    lmax, draws = 20, 200
    generator = np.random.default_rng(0)
    spectra = np.array(
        [hp.alm2cl(alm) for _ in range(draws) for alm in unit_alms(generator, lmax, 2)]
    )
    tolerance = 5 * np.sqrt(2 / ((2 * np.arange(lmax + 1) + 1) * 2 * draws))
    assert np.all(np.abs(spectra.mean(axis=0) - 1) < tolerance)
    # the scatter is that of a chi-square of 2l+1 degrees: real and imaginary parts are right
    expected = np.sqrt(2 / (2 * np.arange(lmax + 1) + 1))
    np.testing.assert_allclose(spectra.std(axis=0), expected, rtol=0.2)


def test_unit_alms_keep_large_scales():
    low = unit_alms(np.random.default_rng(3), 10, 2)
    high = unit_alms(np.random.default_rng(3), 25, 2)
    ell, m = hp.Alm.getlm(10)
    np.testing.assert_array_equal(high[:, hp.Alm.getidx(25, ell, m)], low)


def test_unit_alms_fields_are_independent():
    first, second = unit_alms(np.random.default_rng(0), 100, 2)
    cross = hp.alm2cl(first, second) / np.sqrt(hp.alm2cl(first) * hp.alm2cl(second))
    assert abs(cross[20:].mean()) < 0.02


def test_realisations_have_the_input_spectra(cache):
    nside, draws = 16, 60
    spectra = cmb_spectra(0.05, 2 * nside, cache)
    measured = []
    for seed in range(draws):
        maps = cmb_realisation(spectra, nside, seed)
        measured.append([hp.alm2cl(alm) for alm in hp.map2alm_spin(maps, 2, 2 * nside)])
    mean = np.mean(measured, axis=0)
    ell = np.arange(2, 25)
    for index, field in enumerate(("ee", "bb")):
        tolerance = 5 * np.sqrt(2 / ((2 * ell + 1) * draws)) + 0.01
        ratio = mean[index][ell] / spectra[field][ell]
        # B carries one part in 1000 of E through the quadrature of so coarse a map
        leak = 2e-3 * spectra["ee"][ell] / spectra[field][ell] if field == "bb" else 0
        assert np.all(np.abs(ratio - 1) < tolerance + leak), (field, ratio)


def test_e_and_b_have_their_parity():
    nside, lmax = 32, 40
    alm = unit_alms(np.random.default_rng(0), lmax, 1)[0]
    ell, _ = hp.Alm.getlm(lmax)
    alm[ell < 2] = 0
    e_only = polarised_map(alm, 0 * alm, nside, lmax)
    back_e, back_b = hp.map2alm_spin(e_only, 2, lmax)
    assert np.sum(hp.alm2cl(back_b)) < 1e-3 * np.sum(hp.alm2cl(back_e))
    np.testing.assert_allclose(back_e, alm, atol=0.02)


def test_realisation_is_deterministic_and_leaves_the_global_state(cache):
    spectra = cmb_spectra(0.0, 64, cache)
    np.random.seed(0)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    first, second = (cmb_realisation(spectra, 32, 5) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(before, np.random.get_state(legacy=False)["state"]["key"])
    assert np.abs(first - cmb_realisation(spectra, 32, 6)).max() > 0.1


def test_a_cmb_by_realisation_is_addressed_and_none_is_that_of_the_seed() -> None:
    spectra = {"ee": np.ones(17), "bb": np.ones(17)}
    draw, again = (cmb_by_realisation(spectra, 8, 3) for _ in range(2))
    maps = [draw(number) for number in (-1, 0, 1, 2)]
    np.testing.assert_array_equal(again(2), maps[3])
    np.testing.assert_array_equal(maps[0], cmb_realisation(spectra, 8, 3))
    correlation = np.corrcoef([m.ravel() for m in maps])
    assert np.abs(correlation - np.eye(4)).max() < 0.3
    assert (
        np.abs(np.corrcoef(maps[1].ravel(), cmb_by_realisation(spectra, 8, 4)(0).ravel())[0, 1])
        < 0.3
    )
