from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from furax.obs.operators._seds import K_RK_2_K_CMB
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import ConfigError
from sweep.instrument import Instrument, read_instrument
from sweep.units import modified_black_body, power_law, rj_to_cmb

PRESETS = Path(__file__).parents[1] / "conf" / "instrument"
BANDS = {
    "litebird": 15,
    "litebird_bands": 22,
    "planck": 7,
    "so_sat": 6,
    "so_lat": 6,
    "pico": 21,
    "pico_bands": 21,
}


def make(frequency=(30.0, 100.0, 353.0), depth_p=(10.0, 5.0, 20.0), bandwidth=None, fwhm=None):
    figures = np.array(frequency), np.array(depth_p)
    return Instrument("test", *figures, "nowhere", (), bandwidth, fwhm, *[None] * 3)


@given(nu=st.floats(1, 1000))
def test_rj_to_cmb_is_furax(nu):
    np.testing.assert_allclose(rj_to_cmb(nu), float(K_RK_2_K_CMB(nu)), rtol=1e-4)


def test_rj_to_cmb_known_values():
    # x = 2.518 and 6.216 at 143 and 353 GHz; by hand
    np.testing.assert_allclose(rj_to_cmb([1.0, 143.0, 353.0]), [1.0, 1.654, 12.90], rtol=1e-3)


@given(nu=st.floats(10, 900), beta=st.floats(-4, 4), temperature=st.floats(5, 50))
def test_laws_are_one_at_the_reference(nu, beta, temperature):
    np.testing.assert_allclose(modified_black_body(nu, nu, beta, temperature), 1, rtol=1e-12)
    np.testing.assert_allclose(power_law(nu, nu, beta), 1, rtol=1e-12)


def test_modified_black_body_tends_to_rayleigh_jeans():
    ratio = modified_black_body(0.2, 0.1, 1.5, 20.0)
    np.testing.assert_allclose(ratio, 2**1.5, rtol=1e-3)


def test_laws_give_frequency_by_pixel():
    beta, temperature = np.full(7, 1.5), np.full(7, 20.0)
    assert modified_black_body([30, 40], 353, beta, temperature).shape == (2, 7)
    assert modified_black_body([30, 40], 353, 1.5, temperature).shape == (2, 7)
    assert power_law([30, 40, 50], 30, -3.0).shape == (3,)


@pytest.mark.parametrize("name", BANDS)
def test_presets_read(name):
    instrument = read_instrument(PRESETS / f"{name}.yaml")
    assert instrument.name == name
    assert instrument.frequency.size == BANDS[name]
    if name != "litebird_bands":  # telescope by telescope
        assert np.all(np.diff(instrument.frequency) > 0)
    assert "arXiv" in instrument.source


def test_bands_of_litebird_are_those_of_its_telescopes_together():
    bands, together = (
        read_instrument(PRESETS / f"{n}.yaml") for n in ("litebird_bands", "litebird")
    )
    weights = [np.sum(bands.depth_p[bands.frequency == nu] ** -2) for nu in together.frequency]
    np.testing.assert_allclose(np.array(weights) ** -0.5, together.depth_p, rtol=1e-3)
    assert bands.fwhm_out == np.max(bands.fwhm if bands.fwhm is not None else 0)
    pico, plain = (read_instrument(PRESETS / f"{n}.yaml") for n in ("pico_bands", "pico"))
    np.testing.assert_array_equal(pico.depth_p, plain.depth_p)


def test_litebird_noise_at_nside_64():
    instrument = read_instrument(PRESETS / "litebird.yaml")
    sigma = instrument.noise_sigma(64)
    # the pixel's side is 54.97 arcmin
    np.testing.assert_allclose(sigma[7], 4.58 / 54.97, rtol=1e-3)


@given(power=st.integers(0, 10))
def test_sigma_doubles_with_nside(power):
    instrument, nside = make(), 2**power
    np.testing.assert_allclose(
        instrument.noise_sigma(2 * nside), 2 * instrument.noise_sigma(nside), rtol=1e-12
    )
    area = hp.nside2pixarea(nside, degrees=True) * 3600
    np.testing.assert_allclose(instrument.noise_sigma(nside) * np.sqrt(area), instrument.depth_p)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"depth_p": (1.0, 2.0, -1.0)}, r"depth_p\[2\] = -1: must be positive"),
        ({"depth_p": (1.0, 0.0, 1.0)}, r"depth_p\[1\] = 0: must be positive"),
        ({"frequency": (1.0, np.nan, 1.0)}, r"frequency\[1\] = nan: must be positive"),
        ({"frequency": (1.0, 2.0, 143e9)}, r"frequency\[2\] = 1.43e\+11: .* Hz, give 143"),
        ({"frequency": (1.0, 2.0, 3001.0)}, r"frequency\[2\] = 3001: must be 1 to 3000 GHz"),
        ({"frequency": (0.1, 2.0, 3.0)}, r"frequency\[0\] = 0.1: .* THz, give 100"),
        ({"depth_p": (1.0, 2.0)}, "2 depths, 3 frequencies"),
        ({"frequency": ()}, "at least one number"),
        ({"frequency": ("a", "b", "c")}, "expected a list of numbers"),
        ({"bandwidth": (0.1, 0.2)}, "instrument.bandwidth: expected 3 values, one a band, got 2"),
        ({"fwhm": (1.0, -2.0, 0.0)}, r"instrument.fwhm\[1\] = -2: must be at least 0"),
    ],
)
def test_bad_numbers(kwargs, message):
    with pytest.raises(ConfigError, match=message):
        make(**kwargs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nfrequency: [1]\ndepth_p: [1]\n", "`source` is required"),
        ("name: a\nfrequency: [1]\ndepthp: [1]\nsource: b", "did you mean `depth_p`?"),
        ("name: a\nfrequency: 30\ndepth_p: [1]\nsource: b", "at least one number"),
        ("name: a\nfrequency: [1]\ndepth_p: [1]\nsource: b\npath: c", "unknown key `path`"),
        ("- 1\n- 2\n", "got list"),
        ("a: [", "is no YAML"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_instrument(path)
    assert "\n" not in str(caught.value)


def test_widths_are_read_where_a_file_has_them(tmp_path):
    path = tmp_path / "wide.yaml"
    text = "{name: a, frequency: [30, 40], depth_p: [1, 1], source: b, bandwidth: [0.3, 0]}"
    path.write_text(text)
    instrument = read_instrument(path)
    np.testing.assert_array_equal(instrument.bandwidth, [0.3, 0.0])
    assert instrument.fwhm is None


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_instrument(tmp_path / "none.yaml")


def test_arrays_are_frozen():
    with pytest.raises(ValueError, match="read-only"):
        make().depth_p[0] = 1
