"""Transmission of bands: quadrature, PySM's and FGBuster's conventions, and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.constants
from hypothesis import given
from hypothesis import strategies as st

from sweep.bands import Band, band_nodes, gauss, read_band, top_hat
from sweep.errors import ConfigError
from sweep.units import T_CMB, modified_black_body, power_law, rj_to_cmb


def dense(centre: float, width: float) -> np.ndarray:
    return np.linspace(centre * (1 - width / 2), centre * (1 + width / 2), 20_001)


@given(count=st.integers(1, 6), seed=st.integers(0, 50))
def test_gauss_is_exact_for_polynomials(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights = np.sort(rng.uniform(30, 50, 40)), rng.uniform(0, 1, 40)
    nodes, found = gauss(points, weights, count)
    assert np.all(found > 0)
    assert np.all(np.diff(nodes) > 0)
    assert points[0] <= nodes[0]
    assert nodes[-1] <= points[-1]
    for degree in range(2 * count):
        expected = weights @ (points / 40) ** degree
        np.testing.assert_allclose(found @ (nodes / 40) ** degree, expected, rtol=1e-10)


def test_gauss_of_few_points_is_these_points() -> None:
    nodes, weights = gauss(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 2.0]), 8)
    np.testing.assert_allclose(nodes, [1.0, 3.0], rtol=1e-12)
    np.testing.assert_allclose(weights, [1.0, 2.0], rtol=1e-12)


@pytest.mark.parametrize(("centre", "width"), [(40, 0.3), (140, 0.23), (402, 0.3), (90, 0.8)])
def test_a_top_hat_is_pysms(centre: float, width: float) -> None:
    pysm3 = pytest.importorskip("pysm3")
    u = pysm3.units
    band = top_hat("band", centre, width)
    theirs = pysm3.bandpass_unit_conversion(dense(centre, width) * u.GHz, None, u.uK_CMB)
    np.testing.assert_allclose(band.to_cmb, theirs.value, rtol=1e-6)
    np.testing.assert_allclose(band.cmb_nodes()[1].sum(), 1.0, rtol=1e-12)


@pytest.mark.parametrize("unit", ["intensity", "RJ"])
def test_a_file_is_pysms(tmp_path: Path, unit: str) -> None:
    pysm3 = pytest.importorskip("pysm3")
    u = pysm3.units
    nu = np.linspace(80, 110, 61)
    transmission = np.exp(-(((nu - 95) / 8) ** 2)) * (1 + 0.2 * np.sin(nu))
    np.savetxt(tmp_path / "band.txt", np.transpose([nu, transmission]), header="GHz, one")
    band = read_band("instrument.bandpass[0]", tmp_path / "band.txt", 95.0, unit)
    of_intensity = transmission / nu**2 if unit == "RJ" else transmission
    theirs = pysm3.bandpass_unit_conversion(nu * u.GHz, of_intensity, u.uK_CMB)
    # PySM's own constants, and weights it drops that are 1e-10 of the others
    np.testing.assert_allclose(band.to_cmb, theirs.value, rtol=1e-6)
    emission = modified_black_body(nu, 353, 1.6, 19.0)
    weights = pysm3.utils.normalize_weights(nu, of_intensity)
    in_cmb = np.trapezoid(weights * emission, nu) * theirs.value
    nodes, weights = band.brightness_nodes(8)
    found = weights @ modified_black_body(nodes, 353, 1.6, 19.0)
    np.testing.assert_allclose(found, in_cmb, rtol=1e-6)


def test_spectra_of_the_fit_are_right_through_wide_bands() -> None:
    bands = [top_hat("band", nu, 0.3) for nu in (40.0, 100.0, 280.0, 402.0)]
    nodes = band_nodes(bands).fitted
    assert nodes.frequency.shape == (3, 4)
    laws = [
        lambda nu: modified_black_body(nu, 150, 1.54, 20.0),
        lambda nu: modified_black_body(nu, 150, 0.5, 10.0),
        lambda nu: modified_black_body(nu, 150, 3.0, 40.0),
        lambda nu: power_law(nu, 20, -3.5),
        lambda nu: power_law(nu, 20, -2.5),
    ]
    errors = []
    for law in laws:
        found = [law(f) @ w for f, w in zip(nodes.frequency.T, nodes.weight.T, strict=True)]
        exact = [band.brightness @ law(band.frequency) for band in bands]
        errors.append(np.max(np.abs(np.array(found) / exact - 1)))
    assert errors[0] < 2e-8
    assert max(errors[1:3]) < 2e-6  # at the corners of the default box
    assert max(errors[3:]) < 2e-5


def test_bands_of_other_numbers_of_nodes_stand_side_by_side() -> None:
    mixed = [top_hat("a", 100.0, 0.0), top_hat("b", 150.0, 0.3), top_hat("c", 200.0, 0.6)]
    found = band_nodes(mixed)
    assert [band.enough() for band in mixed] == [1, 3, found.fitted.frequency.shape[0]]
    np.testing.assert_allclose(found.fixed.weight.sum(axis=0), 1.0, rtol=1e-12)
    at = found.fitted
    np.testing.assert_allclose(
        (at.weight * at.frequency**2)[:, 0].sum(), rj_to_cmb(100.0) * 100.0**2, rtol=1e-12
    )


def test_a_shift_moves_the_band_as_it_is() -> None:
    moved, there = top_hat("a", 100.0, 0.3).shifted(0.02), top_hat("a", 102.0, 0.3)
    np.testing.assert_allclose(moved.to_cmb, there.to_cmb, rtol=1e-12)


# fgbuster/component_model.py at 01fc59a (github.com/fgbuster/fgbuster, GPL 3): the analytic
# expressions of ModifiedBlackBody and PowerLaw in K_CMB, as they stand there
_H_OVER_K = scipy.constants.h * 1e9 / scipy.constants.k


def _k_rj_to_k_cmb(nu: Any) -> Any:
    x = _H_OVER_K * nu / T_CMB
    return np.expm1(x) ** 2 / (np.exp(x) * x**2)


def _fgbuster_dust(nu: np.ndarray, nu0: float, temp: float, beta_d: float) -> np.ndarray:
    return (
        (np.exp(nu0 / temp * _H_OVER_K) - 1)
        / (np.exp(nu / temp * _H_OVER_K) - 1)
        * (nu / nu0) ** (1 + beta_d)
        * _k_rj_to_k_cmb(nu)
        / _k_rj_to_k_cmb(nu0)
    )


def _fgbuster_synchrotron(
    nu: np.ndarray, nu0: float, beta_pl: float, running: float, nu_pivot: float
) -> np.ndarray:
    index = beta_pl + running * np.log(nu / nu_pivot)
    return (nu / nu0) ** index * _k_rj_to_k_cmb(nu) / _k_rj_to_k_cmb(nu0)


def test_components_are_fgbusters() -> None:
    """`Dust(150, temp=20)` and `Synchrotron(20)`."""
    nu = np.array([40.0, 95.0, 150.0, 280.0, 402.0])
    dust = modified_black_body(nu, 150, 1.54, 20.0) * rj_to_cmb(nu) / rj_to_cmb(150.0)
    np.testing.assert_allclose(dust, _fgbuster_dust(nu, 150.0, 20.0, 1.54), rtol=1e-12)
    synchrotron = power_law(nu, 20, -3.0) * rj_to_cmb(nu) / rj_to_cmb(20.0)
    theirs = _fgbuster_synchrotron(nu, 20.0, -3.0, 0.0, 70.0)
    np.testing.assert_allclose(synchrotron, theirs, rtol=1e-12)


def test_dust_through_a_band_is_fgbusters_spectrum_averaged() -> None:
    """Its `bandpass_integration` is the trapezoid rule over a transmittance that users normalise.

    For maps calibrated on the CMB that is one of K_CMB, t nu^2 / g, of integral 1.
    """
    nu, band = dense(280.0, 0.3), top_hat("band", 280.0, 0.3)
    transmission = nu**2 / _k_rj_to_k_cmb(nu)
    transmission /= np.trapezoid(transmission, nu)
    theirs = np.trapezoid(transmission * _fgbuster_dust(nu, 150.0, 20.0, 1.54), nu)
    nodes, weights = band.brightness_nodes(3)
    ours = weights @ modified_black_body(nodes, 150, 1.54, 20.0) / rj_to_cmb(150.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


GOOD = "90 0\n95 1\n100 1\n105 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("90 0\n95 1\n94 1\n", "frequencies must increase; 94 GHz follows 95"),
        ("90 0\n95 1\n95 1\n", "frequencies must increase"),
        ("90 0\n95 -0.1\n100 1\n", "transmission -0.1 at 95 GHz: must be at least 0"),
        ("90 0\n95 0\n100 0\n", "the transmission is 0 everywhere"),
        ("90 0 1\n95 1 1\n", "expected two columns.*got 3 columns of 2 lines"),
        ("90 1\n", "of two lines or more; got 2 columns of 1 lines"),
        ("90 a\n95 1\n", "expected text of two columns of numbers"),
        ("90 1\n95 nan\n100 1\n", "line 2 of the table is not finite"),
        ("90e9 1\n95e9 1\n", r"frequency 9e\+10: must be 1 to 3000 GHz; it looks like Hz"),
        ("150 1\n160 1\n", "open from 150 to 160 GHz, and instrument.frequency has 97 here"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "band.txt").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_band("instrument.bandpass[2]", tmp_path / "band.txt", 97.0, "intensity")
    assert str(caught.value).startswith("instrument.bandpass[2] = ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bandpass\[0\] = .*none.txt: cannot be read"):
        read_band("instrument.bandpass[0]", tmp_path / "none.txt", 97.0, "RJ")


def test_bands_that_no_few_nodes_integrate() -> None:
    nu = np.linspace(20, 900, 500)
    with pytest.raises(ConfigError, match=r"x\[1\] reaches from 20 to 900 GHz.*narrower band"):
        band_nodes([Band("x[1]", nu, np.ones(500), np.ones(500))])


def test_a_top_hat_beyond_what_is_observed() -> None:
    with pytest.raises(ConfigError, match=r"width\[0\] = 0.5: the band at 2900 GHz reaches 3625"):
        top_hat("width[0]", 2900.0, 0.5)
