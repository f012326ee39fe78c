"""The synthetic sky with spectra that the standard model does not have."""

from typing import Any

import numpy as np
import pytest

from sweep.bands import top_hat
from sweep.cache import Cache
from sweep.sky import Sky, synthetic_sky
from sweep.sky.other_laws import COLD_BETA, COLD_TEMPERATURE, with_other_laws
from sweep.units import modified_black_body, power_law, rj_to_cmb

FREQUENCY = np.array([30.0, 95.0, 353.0])


@pytest.fixture(scope="module")
def plain(cache: Cache) -> Sky:
    return synthetic_sky(8, seed=2, r=0.0, cmb_seed=0, cache=cache)


def test_none_of_them_is_the_plain_sky(plain: Sky) -> None:
    same = with_other_laws(plain, 2, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(same.maps(FREQUENCY), plain.maps(FREQUENCY), rtol=1e-13)
    assert set(same.truth) == {"beta_dust", "temp_dust", "beta_pl"}


def test_synchrotron_bends_about_its_reference(plain: Sky) -> None:
    model: Any = plain.model
    bent = with_other_laws(plain, 2, -0.05, 0.0, 0.0)
    index = model.beta_pl - 0.05 * np.log(FREQUENCY / 30.0)[:, None]
    laws = [power_law(nu, 30.0, each) for nu, each in zip(FREQUENCY, index, strict=True)]
    synchrotron = np.array(laws)[:, None] * model.synchrotron
    dust = modified_black_body(FREQUENCY, 353.0, model.beta_dust, model.temp_dust)
    expected = rj_to_cmb(FREQUENCY)[:, None, None] * (synchrotron + dust[:, None] * model.dust)
    np.testing.assert_allclose(bent.foregrounds(FREQUENCY), expected, rtol=1e-12, atol=1e-12)
    assert set(bent.truth) == {"beta_dust", "temp_dust"}


def test_free_free_is_a_fraction_with_one_index(plain: Sky) -> None:
    one, two = (
        with_other_laws(plain, 2, 0.0, share, 0.0).foregrounds(FREQUENCY)
        - plain.foregrounds(FREQUENCY)
        for share in (0.01, 0.02)
    )
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6, atol=1e-9)
    in_rj = one / rj_to_cmb(FREQUENCY)[:, None, None]
    np.testing.assert_allclose(in_rj[1], in_rj[0] * (95 / 30) ** -2.14, rtol=1e-6, atol=1e-9)
    # 1 % of some 20 uK at 30 degrees
    assert 0.05 < np.median(np.hypot(*in_rj[0])) < 1.0


def test_a_share_of_the_dust_is_colder(plain: Sky) -> None:
    share = 0.2
    cold = with_other_laws(plain, 2, 0.0, 0.0, share)
    model: Any = plain.model
    changed: Any = cold.model
    other, shown = changed.cold, share * model.dust
    assert 0.5 < other.std() / shown.std() < 2.0
    assert np.corrcoef(other.ravel(), shown.ravel())[0, 1] < 0.9
    law = modified_black_body(FREQUENCY, 353.0, COLD_BETA, COLD_TEMPERATURE)[:, None, None]
    g = rj_to_cmb(FREQUENCY)[:, None, None]
    synchrotron = power_law(FREQUENCY, 30.0, model.beta_pl)[:, None] * model.synchrotron
    warm = plain.foregrounds(FREQUENCY) - g * synchrotron
    expected = (1 - share) * warm + g * (synchrotron + law * other)
    np.testing.assert_allclose(cold.foregrounds(FREQUENCY), expected, rtol=1e-10, atol=1e-10)
    assert set(cold.truth) == {"beta_pl"}


def test_through_a_band(plain: Sky) -> None:
    sky, band = with_other_laws(plain, 2, -0.1, 0.02, 0.3), top_hat("band", 95.0, 0.3)
    nu = 95.0 * (1 + 0.15 * np.linspace(-1, 1, 2001))
    weight = nu**2 / rj_to_cmb(nu)
    dense = np.trapezoid(weight[:, None, None] * sky.foregrounds(nu), nu, axis=0)
    np.testing.assert_allclose(
        sky.model.through(band), dense / np.trapezoid(weight, nu), rtol=1e-6, atol=1e-7
    )
