from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from sweep.errors import ConfigError
from sweep.sky import check_finite, synthetic_sky, template_sky
from sweep.units import rj_to_cmb

REAL = Path(__file__).parents[3] / "shared" / "data" / "pysm_d1s1_nside64.npz"
FREQUENCY = np.array([40.0, 100.0, 280.0])


@pytest.fixture(scope="module")
def small(cache):
    return synthetic_sky(8, seed=2, r=0.0, cmb_seed=3, cache=cache)


@pytest.fixture
def content(small):
    scalars = {
        "dust_nu0": small.model.dust_nu0,
        "synchrotron_nu0": small.model.synchrotron_nu0,
    }
    cmb = {"cmb_q": small.cmb[0], "cmb_u": small.cmb[1]}
    return {
        name: np.array(value) for name, value in {**small.model.inputs, **cmb, **scalars}.items()
    }


def save(path, content):
    np.savez(path, **content)
    return path


def save_fits(path, content, units, nest=False, **cards):
    maps = {name: value for name, value in content.items() if value.ndim}
    columns = [
        fits.Column(
            name=name,
            format="D",
            array=hp.reorder(value, r2n=True) if nest else value,
            unit=units(name),
        )
        for name, value in maps.items()
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["ORDERING"] = "NESTED" if nest else "RING"
    table.header["DUST_NU0"] = float(content["dust_nu0"])
    table.header["SYNC_NU0"] = float(content["synchrotron_nu0"])
    table.header.update(cards)
    table.writeto(path)
    return path


UNITS = {"dust": "K_RJ", "synchrotron": "K_RJ", "cmb": "K_CMB"}


def micro_kelvin(name):
    return {"dust": "uK_RJ", "synchrotron": "uK_RJ", "cmb": "uK_CMB"}.get(name[:-2])


def test_npz_round_trip(tmp_path, small, content):
    read = template_sky(save(tmp_path / "sky.npz", content), 8)
    np.testing.assert_array_equal(read.maps(FREQUENCY), small.maps(FREQUENCY))
    for name, value in small.truth.items():
        np.testing.assert_array_equal(read.truth[name], value)


@pytest.mark.parametrize("nest", [False, True])
def test_fits_round_trip(tmp_path, small, content, nest):
    path = save_fits(tmp_path / "sky.fits", content, micro_kelvin, nest)
    np.testing.assert_array_equal(template_sky(path, 8).maps(FREQUENCY), small.maps(FREQUENCY))


@pytest.mark.skipif(not REAL.exists(), reason="needs the real sky")
def test_real_sky():
    sky = template_sky(REAL, 64)
    check_finite(sky, np.ones(hp.nside2npix(64), bool))
    assert sky.maps(FREQUENCY).shape == (3, 2, 49152)
    np.testing.assert_allclose(sky.truth["beta_dust"].mean(), 1.5397, rtol=1e-3)
    assert 1 < np.median(sky.dust_intensity()) < 200
    with pytest.raises(ConfigError, match="map has nside 64, config 32"):
        template_sky(REAL, 32)


def test_missing_key(tmp_path, content):
    del content["beta_pl"]
    with pytest.raises(ConfigError, match="has no `beta_pl`; it has"):
        template_sky(save(tmp_path / "sky.npz", content), 8)


def test_wrong_size(tmp_path, content):
    content["dust_u"] = np.zeros(700)
    with pytest.raises(ConfigError, match="`dust_u`: 700 pixels is no HEALPix size"):
        template_sky(save(tmp_path / "sky.npz", content), 8)


def test_wrong_nside(tmp_path, content):
    with pytest.raises(ConfigError, match="map has nside 8, config 64"):
        template_sky(save(tmp_path / "sky.npz", content), 64)


@pytest.mark.parametrize("component", ["dust", "synchrotron", "cmb"])
def test_kelvin_is_recognised_by_size(tmp_path, content, component):
    for stokes in "qu":
        content[f"{component}_{stokes}"] = content[f"{component}_{stokes}"] * 1e-6
    with pytest.raises(ConfigError, match="looks like K, expected uK; multiply by 1e6"):
        template_sky(save(tmp_path / "sky.npz", content), 8)


def test_kelvin_is_converted_by_its_unit(tmp_path, small, content):
    kelvin = {
        name: value * 1e-6 if name[-2:] in ("_q", "_u") else value
        for name, value in content.items()
    }
    read = [
        template_sky(save(tmp_path / "sky.npz", kelvin | {"unit": np.array("K")}), 8),
        template_sky(save_fits(tmp_path / "sky.fits", kelvin, lambda n: UNITS.get(n[:-2])), 8),
    ]
    for sky in read:
        np.testing.assert_allclose(
            sky.maps(FREQUENCY), small.maps(FREQUENCY), rtol=1e-12, atol=1e-12
        )


def test_what_the_header_says_is_done(tmp_path, small, content):
    """Issue 17, point 5: IAU, and dust in uK_CMB, were read as COSMO and uK_RJ."""
    ratio = rj_to_cmb(float(content["dust_nu0"]))
    other = content | {name: content[name] * ratio for name in ("dust_q", "dust_u")}
    other |= {name: -other[name] for name in ("dust_u", "synchrotron_u", "cmb_u")}
    other["temp_dust"] = content["temp_dust"] * 1e3
    units = {"dust": "uK_CMB", "synchrotron": "uK_RJ", "cmb": "uK_CMB", "temp_du": "mK"}
    path = save_fits(tmp_path / "sky.fits", other, lambda n: units.get(n[:-2]), POLCCONV="IAU")
    read = template_sky(path, 8)
    np.testing.assert_allclose(read.maps(FREQUENCY), small.maps(FREQUENCY), rtol=1e-12)


def test_a_cmb_of_another_kind_is_refused(tmp_path, content):
    units = dict.fromkeys(("dust", "synchrotron", "cmb"), "uK_RJ")
    path = save_fits(tmp_path / "sky.fits", content, lambda n: units.get(n[:-2]))
    message = rf"^sky.path = {path}: `cmb_q` is in uK_RJ, expected uK_CMB: there is no frequency"
    with pytest.raises(ConfigError, match=message):
        template_sky(path, 8)


def test_no_cmb_is_fine(tmp_path, content):
    for name in ("cmb_q", "cmb_u"):
        content[name] = np.zeros(768)
    assert not template_sky(save(tmp_path / "sky.npz", content), 8).cmb.any()


@pytest.mark.parametrize("value", [0.0, -353.0, np.nan, [1.0, 2.0], "353"])
def test_bad_reference_frequency(tmp_path, content, value):
    content["dust_nu0"] = np.array(value)
    with pytest.raises(ConfigError, match="`dust_nu0`: expected one positive frequency"):
        template_sky(save(tmp_path / "sky.npz", content), 8)


@pytest.mark.parametrize(
    ("value", "likely"),
    [(353e9, "Hz, give 353"), (353e3, "MHz, give 353"), (0.353, "THz, give 353"), (1e-5, None)],
)
def test_a_reference_frequency_in_another_unit(tmp_path, content, value, likely):
    content["dust_nu0"] = np.array(value)
    said = "must be 1 to 3000 GHz" + (f"; it looks like {likely}" if likely else "$")
    with pytest.raises(ConfigError, match=f"`dust_nu0` = .*: {said}"):
        template_sky(save(tmp_path / "sky.npz", content), 8)


def test_missing_and_damaged_files(tmp_path, content):
    with pytest.raises(ConfigError, match="does not exist"):
        template_sky(tmp_path / "none.npz", 8)
    path = save(tmp_path / "sky.npz", content)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="no readable npz or FITS"):
        template_sky(path, 8)
    text = tmp_path / "sky.fits"
    text.write_text("hello")
    with pytest.raises(ConfigError, match="no readable npz or FITS"):
        template_sky(text, 8)


@pytest.mark.parametrize("value", [np.nan, np.inf, hp.UNSEEN, np.float32(hp.UNSEEN)])
def test_bad_pixels(tmp_path, content, value):
    content["dust_q"][[3, 700, 701]] = value
    sky = template_sky(save(tmp_path / "sky.npz", content), 8)
    keep = np.ones(768, bool)
    with pytest.raises(ConfigError, match="3 bad pixels in `dust_q` inside the mask, first 3"):
        check_finite(sky, keep)
    keep[3] = False
    with pytest.raises(ConfigError, match="2 bad pixels in `dust_q` inside the mask, first 700"):
        check_finite(sky, keep)
    keep[700:702] = False
    check_finite(sky, keep)
    assert np.all(np.isfinite(sky.maps(FREQUENCY)[..., keep]))


def test_bad_pixels_of_every_map(tmp_path, content):
    for name in ("cmb_u", "temp_dust", "beta_pl", "synchrotron_u"):
        broken = content | {name: np.where(np.arange(768) == 5, np.nan, content[name])}
        sky = template_sky(save(tmp_path / "sky.npz", broken), 8)
        with pytest.raises(ConfigError, match=f"1 bad pixels in `{name}`"):
            check_finite(sky, np.ones(768, bool))
