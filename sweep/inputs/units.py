"""Units that files state, as factors to the units used here."""

import re
from typing import Any

from sweep.units import rj_to_cmb

_KELVIN = re.compile(r"(milli|micro|nano|mu|m|u|µ|μ|n|)[ _]?(?:K|kelvin)[ _({]*([A-Za-z]*)[)}]*")

_MICROKELVIN = {"": 1e6, "m": 1e3, "milli": 1e3, "n": 1e-3, "nano": 1e-3}
"""uK, by prefix; any other prefix of `_KELVIN` is micro."""

_KINDS = {
    "cmb": "uK_CMB",
    "thermo": "uK_CMB",
    "thermodynamic": "uK_CMB",
    "rj": "uK_RJ",
    "ant": "uK_RJ",
    "antenna": "uK_RJ",
}


def to_kelvin(unit: str) -> float:
    """Factor from a unit of temperature to K.

    Raises:
        ValueError: It is no such unit.
    """
    factor, kind = _parsed(unit)
    if kind:
        raise ValueError("is no temperature of matter")
    return factor / 1e6


def to_microkelvin(unit: str, target: str, frequency: float | None) -> float:
    """Factor from a unit of polarised emission to uK_CMB or uK_RJ.

    A temperature that does not say of what is of the kind of the target. Intensities, such as
    MJy/sr, are converted as well.

    Args:
        unit: As a file states it: K_CMB, mK_RJ, uK, MJy/sr.
        target: uK_CMB or uK_RJ.
        frequency: GHz, at which one kind becomes another; None where there is none.

    Raises:
        ValueError: The unit is unknown, or takes a frequency and there is none.
    """
    try:
        factor, kind = _parsed(unit)
    except ValueError:
        factor, kind = _intensity(unit, frequency), "uK_RJ"
    if kind in ("", target):
        return factor
    if frequency is None:
        raise ValueError("there is no frequency to convert it at; convert the map")
    ratio = float(rj_to_cmb(frequency))
    return factor * ratio if target == "uK_CMB" else factor / ratio


def _parsed(unit: str) -> tuple[float, str]:
    match = _KELVIN.fullmatch(unit.strip())
    if match is None or match[2].lower() not in ("", *_KINDS):
        raise ValueError("that is no unit known here; use K, mK or uK, with _CMB or _RJ")
    return _MICROKELVIN.get(match[1], 1.0), _KINDS.get(match[2].lower(), "")


def _intensity(unit: str, frequency: float | None) -> float:
    """Factor from a unit of intensity to uK_RJ."""
    from astropy import units as u  # slow to import, seldom needed

    try:
        found: Any = u.Unit(unit)
    except (ValueError, TypeError):
        found = u.dimensionless_unscaled
    if not found.is_equivalent("MJy/sr"):
        raise ValueError("use K, mK or uK, with _CMB or _RJ, or MJy/sr; convert the map")
    if frequency is None:
        raise ValueError("there is no frequency to convert it at; convert the map")
    return float(found.to(u.uK, equivalencies=u.brightness_temperature(frequency * u.GHz)))
