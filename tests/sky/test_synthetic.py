from pathlib import Path

import healpy as hp
import jax.numpy as jnp
import numpy as np
import pytest
from furax.obs.operators import DustOperator, SynchrotronOperator
from furax.obs.stokes import Stokes

from sweep.errors import ConfigError
from sweep.sky import synthetic_sky
from sweep.units import rj_to_cmb

REAL = Path(__file__).parents[3] / "shared" / "data" / "pysm_d1s1_nside64.npz"
MASKS = REAL.with_name("planck_galactic_masks_nside64.npz")
FREQUENCY = np.array([30.0, 95.0, 353.0])


def components(sky):
    return {"dust": sky.model.dust, "synchrotron": sky.model.synchrotron}


def test_shapes_and_types(sky):
    npix = hp.nside2npix(64)
    maps = sky.maps(FREQUENCY)
    assert maps.shape == (3, 2, npix)
    assert maps.dtype == np.float64
    assert np.all(np.isfinite(maps))
    assert sky.cmb.shape == (2, npix)
    assert {name: value.shape for name, value in sky.truth.items()} == {
        "beta_dust": (npix,),
        "temp_dust": (npix,),
        "beta_pl": (npix,),
    }
    np.testing.assert_allclose(maps, sky.foregrounds(FREQUENCY) + sky.cmb, rtol=1e-15)


def test_emission_at_the_references(sky):
    dust = sky.foregrounds([353.0])[0] / rj_to_cmb(353.0)
    # synchrotron falls by three decades from 30 to 353 GHz
    np.testing.assert_allclose(dust, sky.model.dust, atol=0.2)
    low = sky.foregrounds([30.0])[0] / rj_to_cmb(30.0)
    assert np.corrcoef(low[0], sky.model.synchrotron[0])[0, 1] > 0.97


def test_foregrounds_are_furax(sky):
    pixels = slice(0, 500)
    q, u = sky.model.dust[:, pixels]
    template = Stokes.from_stokes(q, u)
    dust = DustOperator(
        jnp.array(FREQUENCY),
        frequency0=353.0,
        temperature=sky.truth["temp_dust"][pixels],
        beta=sky.truth["beta_dust"][pixels],
        in_structure=template.structure,
    )(template)
    q, u = sky.model.synchrotron[:, pixels]
    template = Stokes.from_stokes(q, u)
    synchrotron = SynchrotronOperator(
        jnp.array(FREQUENCY),
        frequency0=30.0,
        beta_pl=sky.truth["beta_pl"][pixels],
        in_structure=template.structure,
    )(template)
    expected = np.stack(
        [
            np.asarray(d) * rj_to_cmb(353.0) + np.asarray(s) * rj_to_cmb(30.0)
            for d, s in ((dust.q, synchrotron.q), (dust.u, synchrotron.u))
        ],
        axis=1,
    )
    np.testing.assert_allclose(sky.foregrounds(FREQUENCY)[..., pixels], expected, rtol=1e-5)


@pytest.mark.parametrize("nside", [8, 32, 128])
def test_parameters_are_in_range(cache, nside):
    for seed in range(4):
        truth = synthetic_sky(nside, seed, 0.0, 1, cache).truth
        for name, mean, scatter, low, high in (
            ("beta_dust", 1.54, 0.05, 1.2, 1.9),
            ("temp_dust", 20.9, 1.8, 14.0, 31.0),
            ("beta_pl", -3.0, 0.06, -3.3, -2.7),
        ):
            values = truth[name]
            assert low <= values.min()
            assert values.max() <= high
            assert abs(values.mean() - mean) < 0.1 * scatter
            assert 0.5 * scatter < values.std() < 1.6 * scatter


def test_the_plane_is_bright(sky):
    latitude = np.abs(hp.pix2ang(64, np.arange(hp.nside2npix(64)), lonlat=True)[1])
    for maps, contrast in ((sky.model.dust, 10), (sky.model.synchrotron, 2)):
        intensity = np.hypot(*maps)
        plane, pole = np.median(intensity[latitude < 3]), np.median(intensity[latitude > 50])
        assert plane > contrast * pole


def test_spectra_fall_as_power_laws(cache):
    # off the plane; C_ell of the map, up to the window
    for component, low, high in (("dust", -3.1, -1.8), ("synchrotron", -3.4, -2.1)):
        slopes = []
        for seed in range(3):
            maps = components(synthetic_sky(64, seed, 0.0, 1, cache))[component]
            latitude = np.abs(hp.pix2ang(64, np.arange(hp.nside2npix(64)), lonlat=True)[1])
            window = np.clip((latitude - 20) / 10, 0, 1)
            spectrum = hp.alm2cl(hp.map2alm_spin(maps * window, 2, 120)[0])
            ell = np.arange(15, 100)
            slopes.append(np.polyfit(np.log(ell), np.log(spectrum[ell]), 1)[0])
        assert low < np.mean(slopes) < high


def test_deterministic(cache, sky):
    again = synthetic_sky(64, seed=0, r=0.01, cmb_seed=1, cache=cache)
    np.testing.assert_array_equal(again.maps(FREQUENCY), sky.maps(FREQUENCY))


def test_seeds_are_separate(cache, sky):
    other_cmb = synthetic_sky(64, seed=0, r=0.01, cmb_seed=2, cache=cache)
    np.testing.assert_array_equal(other_cmb.foregrounds(FREQUENCY), sky.foregrounds(FREQUENCY))
    assert np.abs(np.corrcoef(other_cmb.cmb[0], sky.cmb[0])[0, 1]) < 0.05
    other = synthetic_sky(64, seed=1, r=0.01, cmb_seed=1, cache=cache)
    np.testing.assert_array_equal(other.cmb, sky.cmb)
    assert np.abs(np.corrcoef(other.truth["beta_dust"], sky.truth["beta_dust"])[0, 1]) < 0.7
    # parameter maps of one sky are drawn independently
    assert not np.allclose(
        (sky.truth["beta_dust"] - 1.54) / 0.05, (sky.truth["temp_dust"] - 20.9) / 1.8
    )


def test_large_scales_do_not_depend_on_nside(cache, sky):
    fine = synthetic_sky(128, seed=0, r=0.01, cmb_seed=1, cache=cache)
    for coarse_map, fine_map in (
        (components(sky)["dust"][0], components(fine)["dust"][0]),
        (components(sky)["synchrotron"][1], components(fine)["synchrotron"][1]),
        (sky.truth["beta_dust"], fine.truth["beta_dust"]),
        (sky.truth["beta_pl"], fine.truth["beta_pl"]),
    ):
        low = hp.ud_grade(coarse_map, 8), hp.ud_grade(fine_map, 8)
        assert np.corrcoef(*low)[0, 1] > 0.98


def test_dust_intensity_is_of_dust(sky):
    expected = np.hypot(*sky.model.dust) * rj_to_cmb(353.0)
    assert np.corrcoef(sky.dust_intensity(), expected)[0, 1] > 0.999


@pytest.mark.skipif(not REAL.exists(), reason="needs the real sky")
def test_amplitudes_resemble_the_real_sky(sky):
    keep = np.load(MASKS)["GAL060"]
    with np.load(REAL) as real:
        for component in ("dust", "synchrotron"):
            there = np.median(np.hypot(real[f"{component}_q"], real[f"{component}_u"])[keep])
            here = np.median(np.hypot(*components(sky)[component])[keep])
            assert 1 / 3 < here / there < 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"nside": 48}, "nside = 48: must be a power of two, use 32 or 64"),
        ({"nside": 0}, "nside = 0"),
        ({"seed": -1}, "sky.seed = -1: must be at least 0"),
        ({"cmb_seed": -2}, "sky.cmb_seed = -2"),
        ({"r": -0.1}, "r = -0.1"),
    ],
)
def test_bad_input(cache, kwargs, message):
    inputs = {"nside": 8, "seed": 0, "r": 0.0, "cmb_seed": 0} | kwargs
    with pytest.raises(ConfigError, match=message):
        synthetic_sky(**inputs, cache=cache)
