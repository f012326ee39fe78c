"""Bands, beams and errors of the instrument, of their settings."""

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from sweep.config.groups.instrument import InstrumentConf
from sweep.errors import ConfigError

if TYPE_CHECKING:
    from sweep.bands import Band
    from sweep.beams import Beams
    from sweep.instrument import Instrument
    from sweep.mismatch import Mismatch


def bands_of(conf: InstrumentConf, instrument: "Instrument") -> "tuple[Band, ...] | None":
    """Bands of finite width; None where all are monochromatic.

    Raises:
        ConfigError: both top hats and files are given, not one a band, or a file cannot be used.
    """
    from sweep.bands import read_band, top_hat
    from sweep.instrument import one_a_band

    if not conf.bandpass:
        if conf.bandpass_unit != "intensity":
            raise ConfigError(
                f"instrument.bandpass_unit = {conf.bandpass_unit}: does nothing without "
                "instrument.bandpass; give files, or leave it out"
            )
        if instrument.bandwidth is None:
            return None
        pairs = zip(instrument.frequency, instrument.bandwidth, strict=True)
        return tuple(
            top_hat(f"instrument.bandwidth[{i}]", centre, width)
            for i, (centre, width) in enumerate(pairs)
        )
    if instrument.bandwidth is not None:
        raise ConfigError(
            "instrument.bandpass: bands have a bandwidth too; give one of the two, or add "
            "instrument.bandwidth=[]"
        )
    one_a_band("instrument.bandpass", conf.bandpass, instrument.frequency.size)
    return tuple(
        read_band(f"instrument.bandpass[{i}]", path, centre, conf.bandpass_unit)
        for i, (path, centre) in enumerate(zip(conf.bandpass, instrument.frequency, strict=True))
    )


def beams_of(instrument: "Instrument", nside: int) -> "Beams | None":
    """Beams of the bands and of the fit; None where there are none.

    Raises:
        ConfigError: one of `fwhm` and `fwhm_out` is missing, or a band's beam is above.
    """
    fwhm, fwhm_out = instrument.fwhm, instrument.fwhm_out
    if fwhm is None:
        if fwhm_out is None:
            return None
        raise ConfigError(
            f"instrument.fwhm_out = {fwhm_out:g}: the beams of the bands are not known; "
            "add instrument.fwhm=[...], arcmin, one a band (0 for none)"
        )
    if fwhm_out is None:
        raise ConfigError(
            "instrument.fwhm: bands of different resolution cannot be fitted together; add "
            f"instrument.fwhm_out={np.max(fwhm):g} or more, or instrument.fwhm=[]"
        )
    from sweep.beams import Beams

    return Beams(fwhm, fwhm_out, nside)


def mismatch_of(conf: InstrumentConf, bands: int) -> "Mismatch | None":
    """Errors of the data's instrument; None where there are none.

    Raises:
        ConfigError: a list has not one value a band.
    """
    from sweep.instrument import one_a_band

    sigma = [
        np.broadcast_to(
            np.asarray(one_a_band(f"instrument.errors.{item.name}", value, bands), float), bands
        )
        for item in fields(conf.errors)
        for value in [getattr(conf.errors, item.name)]
    ]
    if not np.any(sigma):
        return None
    from sweep.mismatch import Drawn, Mismatch

    return Mismatch(Drawn(*sigma))
