"""The instrument, and how far that of the data may be from it."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sweep.config.checks import (
    at_least,
    between,
    each,
    negative,
    number_or_list,
    one_of,
    positive,
    setting,
)


@dataclass
class InstrumentErrorsConf:
    """How far the instrument of the data is from the one that is fitted: standard deviations."""

    gain: Any = setting(
        0.0, "of the gain, relative; a number, or one a band", number_or_list(at_least(0)), absent=0
    )
    shift: Any = setting(
        0.0,
        "of the frequencies of a band, relative; a number, or one a band",
        number_or_list(between(0, 0.1)),
        absent=0,
    )
    angle: Any = setting(
        0.0,
        "of the polarisation angle, degrees; a number, or one a band",
        number_or_list(at_least(0)),
        absent=0,
    )


@dataclass
class InstrumentConf:
    """Frequency bands and white noise depths."""

    name: str = MISSING
    frequency: list[float] = setting([], "band centres, GHz")
    depth_p: list[float] = setting([], "polarisation noise depth, uK_CMB arcmin")
    band: list[str] = setting(
        [], "names of the bands, in paths of maps; without them `{frequency:g}`", absent=[]
    )
    bandwidth: list[float] = setting(
        [],
        "full widths of top hats over their centres; none is monochromatic",
        each(between(0, 1)),
        absent=[],
    )
    bandpass: list[str] = setting(
        [], "files of transmission in place of top hats: GHz, transmission", absent=[]
    )
    bandpass_unit: str = setting(
        "intensity",
        "what these transmissions weight: intensity, or brightness temperature (RJ)",
        one_of("intensity", "RJ"),
        absent="intensity",
    )
    fwhm: list[float] = setting(
        [], "full widths at half maximum of the beams, arcmin", each(at_least(0)), absent=[]
    )
    ell_knee: list[float] = setting(
        [],
        "multipoles where 1/f noise is as strong as white noise, for noise=knee; 0 is white",
        each(at_least(0)),
        absent=[],
    )
    alpha_knee: list[float] = setting(
        [],
        "slopes of 1/f noise below them: N_l = N_white (1 + (l / ell_knee)^alpha_knee)",
        each(negative),
        absent=[],
    )
    fwhm_out: float | None = setting(
        None,
        "beam to which all maps are smoothed before the fit, arcmin; none of fwhm is above",
        positive,
        absent=None,
    )
    errors: InstrumentErrorsConf = setting(
        InstrumentErrorsConf(), "of the data alone, drawn for every realisation"
    )
    band: list[str] = setting(
        [], "names of the bands, in paths of maps; without them `{frequency:g}`", absent=[]
    )
    source: str = setting("", "where the figures come from")
    path: str | None = setting(None, "YAML file with these keys, instead of the figures here")
