import numpy as np
import pytest

from sweep.inputs.units import to_kelvin, to_microkelvin
from sweep.units import rj_to_cmb


@pytest.mark.parametrize("unit", ["uK", "uK_CMB", "muK", "microK_cmb", "µKcmb", "μK", "uK (CMB)"])
def test_spellings_of_microkelvin_change_nothing(unit: str) -> None:
    assert to_microkelvin(unit, "uK_CMB", None) == 1.0


@pytest.mark.parametrize(("unit", "factor"), [("K_RJ", 1e6), ("mK_ant", 1e3), ("nK", 1e-3)])
def test_prefixes(unit: str, factor: float) -> None:
    assert to_microkelvin(unit, "uK_RJ", None) == factor


def test_kinds_are_converted_at_the_frequency() -> None:
    ratio = float(rj_to_cmb(353.0))
    np.testing.assert_allclose(to_microkelvin("uK_RJ", "uK_CMB", 353.0), ratio)
    np.testing.assert_allclose(to_microkelvin("K_thermo", "uK_RJ", 353.0), 1e6 / ratio)


def test_intensities() -> None:
    """Unit conversion of Planck 2013 IX (arXiv:1303.5070), table 6: 287.45 MJy/sr per K_CMB at 353.

    That is for the band; of a monochromatic 353 GHz it is 296.8, by the derivative of the Planck
    function in T.
    """
    factor = to_microkelvin("MJy/sr", "uK_CMB", 353.0)
    np.testing.assert_allclose(1e6 / factor, 296.8, rtol=1e-3)
    np.testing.assert_allclose(to_microkelvin("Jy / sr", "uK_CMB", 353.0), factor * 1e-6)


@pytest.mark.parametrize(
    "unit", ["uK_SZ", "uK^2", "uK arcmin", "counts", "Jy/beam", "MK", "k", "1", "y", "rubbish!"]
)
def test_other_units_are_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="use K, mK or uK"):
        to_microkelvin(unit, "uK_CMB", 100.0)


@pytest.mark.parametrize("unit", ["uK_RJ", "MJy/sr"])
def test_without_a_frequency_kinds_stay_apart(unit: str) -> None:
    with pytest.raises(ValueError, match="there is no frequency"):
        to_microkelvin(unit, "uK_CMB", None)


def test_temperatures_of_dust() -> None:
    assert to_kelvin("K") == 1.0
    np.testing.assert_allclose(to_kelvin("mK"), 1e-3)
    for unit in ("K_CMB", "eV"):
        with pytest.raises(ValueError, match="no "):
            to_kelvin(unit)
