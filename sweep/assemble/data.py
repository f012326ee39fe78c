"""What is observed: instrument, sky and mask.

An identity is made of `versions`, also where nothing is computed: what makes maps is imported where
they are made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.assemble.optics import bands_of, beams_of, mismatch_of
from sweep.assemble.shared import Versions, installed, shared, unversioned
from sweep.cache import Cache
from sweep.config.models import sky_model
from sweep.config.schema import (
    InstrumentConf,
    MaskConf,
    PysmSkyConf,
    SweepConf,
    SyntheticSkyConf,
    TemplatesSkyConf,
)
from sweep.errors import ConfigError
from sweep.types import Draw

if TYPE_CHECKING:
    from sweep.bands import Band
    from sweep.beams import Beams
    from sweep.instrument import Instrument
    from sweep.mask import Mask
    from sweep.sky.base import Sky


@dataclass(frozen=True)
class SkyChoice:
    """What makes a sky of its settings.

    Attributes:
        make: from the settings and a cache.
        versions: see `Versions`.
    """

    make: "Callable[[Any, Cache], Sky]"
    versions: Versions = unversioned


def _synthetic(conf: SyntheticSkyConf, cache: Cache) -> "Sky":
    from sweep.sky.synthetic import synthetic_sky

    sky = synthetic_sky(conf.nside, conf.seed, conf.r, conf.cmb_seed, cache)
    if not (conf.curvature or conf.free_free or conf.second_dust):
        return sky
    from sweep.sky.other_laws import with_other_laws

    return with_other_laws(sky, conf.seed, conf.curvature, conf.free_free, conf.second_dust)


def _templates(conf: TemplatesSkyConf, cache: Cache) -> "Sky":
    from sweep.sky.templates import template_sky

    del cache
    return template_sky(conf.path, conf.nside)


def _pysm(conf: PysmSkyConf, cache: Cache) -> "Sky":
    from sweep.sky.pysm import pysm_sky

    return pysm_sky(conf.tag, conf.nside, conf.cmb_seed, cache)


SKIES = {
    SyntheticSkyConf: SkyChoice(_synthetic),
    TemplatesSkyConf: SkyChoice(_templates),
    PysmSkyConf: SkyChoice(_pysm, lambda conf: {"pysm3": installed("pysm3")}),
}
"""Skies, by the dataclass of their settings."""


def _instrument(conf: InstrumentConf) -> "Instrument":
    from sweep.instrument import OPTIONAL, Instrument, read_instrument

    optional = (*OPTIONAL, "fwhm_out")
    given = {key: value for key in optional if (value := getattr(conf, key))}
    if conf.path is None:
        frequency, depth_p = np.asarray(conf.frequency), np.asarray(conf.depth_p)
        more: Any = dict.fromkeys(optional) | given
        names = tuple(conf.band)
        return Instrument(conf.name, frequency, depth_p, conf.source, names, **more)
    read = read_instrument(conf.path)
    for key in given:
        if getattr(read, key) is not None:
            absent = "null" if key == "fwhm_out" else "[]"
            raise ConfigError(
                f"instrument.{key}: instrument.path = {conf.path} has it too; give one of the two, "
                f"or add instrument.{key}={absent}"
            )
    return replace(read, **given)


INSTRUMENTS: "dict[type, Callable[[Any], Instrument]]" = {InstrumentConf: _instrument}
"""Instruments, by the dataclass of their settings."""


def _mask(conf: MaskConf, sky: "Sky") -> "Mask":
    from sweep.mask import GalacticMasks, parse_mask, read_masks

    path = conf.path
    named = read_masks(path, sky.nside) if path else GalacticMasks(sky.dust_intensity())
    return parse_mask(conf.expression, sky.nside, named)


MASKS: "dict[type, Callable[[Any, Sky], Mask]]" = {MaskConf: _mask}
"""Masks of a sky, by the dataclass of their settings."""


def build_instrument(conf: SweepConf) -> "Instrument":
    """Bands and depths.

    Raises:
        ConfigError: there are too few different bands, or the file cannot be used.
    """
    made = INSTRUMENTS[type(conf.instrument)](conf.instrument)
    bands, model = np.unique(made.frequency).size, sky_model(conf)
    given = {name: getattr(conf.parameters, name) for name in model.names}
    held = {name for name, p in given.items() if (p.fixed, p.prior.width) != (None, None)}
    least = model.least_bands(held)
    if bands < least:
        free = ", ".join(name for name in model.names if name not in held)
        raise ConfigError(
            f"instrument `{made.name}`: {bands} different frequencies, expected at least {least} "
            f"for {', '.join(model.component_names)} with {free or 'nothing'} free: add bands, fix "
            "a parameter, or choose a smaller model"
        )
    return made


@shared("sky", most=4)
def build_sky(conf: SweepConf) -> "Sky":
    """The true sky."""
    return SKIES[type(conf.sky)].make(conf.sky, cache_of(conf))


@shared("sky", "mask", most=16)
def build_mask(conf: SweepConf) -> "Mask":
    """The kept pixels; every map of the sky is finite there."""
    from sweep.sky.base import check_finite

    sky = build_sky(conf)
    mask = MASKS[type(conf.mask)](conf.mask, sky)
    check_finite(sky, mask.keep)
    return mask


@shared("sky", "instrument", "mask", most=4)
def build_signal(conf: SweepConf) -> np.ndarray:
    """Noise-free maps of the kept pixels, uK_CMB, shape (frequency, stokes, pixel)."""
    mask, frequency = build_mask(conf), build_instrument(conf).frequency
    signal = _signal(conf, np.zeros(frequency.size))
    bad = np.argwhere(~np.isfinite(signal))
    if bad.size:
        band, _, pixel = bad[0]
        raise ConfigError(
            f"the sky is not finite at {len(np.unique(bad[:, 2]))} kept pixels, first pixel "
            f"{mask.pixels[pixel]} at {frequency[band]:g} GHz: check its parameter maps"
        )
    return signal


def _signal(conf: SweepConf, shift: np.ndarray) -> np.ndarray:
    """The same where the frequencies of the bands are shifted, relative, shape (frequency,)."""
    sky, bands, beams = build_sky(conf), build_bands(conf), build_beams(conf)
    if bands is None:
        maps = sky.maps(build_instrument(conf).frequency * (1.0 + shift))
    else:
        shifted = [band.shifted(by) for band, by in zip(bands, shift, strict=True)]
        maps = sky.maps_through(shifted)
    return (maps if beams is None else beams.sky(maps))[..., build_mask(conf).pixels]


def build_distorted(conf: SweepConf) -> Draw | None:
    """The signal of a realisation as an instrument with errors sees it; None without errors."""
    mismatch = mismatch_of(conf.instrument, build_instrument(conf).frequency.size)
    if mismatch is None:
        return None
    from sweep.mismatch import distorted

    def signal(realisation: int) -> np.ndarray:
        errors = mismatch.drawn(conf.noise.seed, realisation)
        maps = _signal(conf, errors.shift) if errors.shift.any() else build_signal(conf)
        return distorted(maps, errors)

    return signal


@shared("sky", "instrument", "mask", most=4)
def build_truth(conf: SweepConf) -> np.ndarray:
    """CMB of the kept pixels at the resolution of the fit, uK_CMB, shape (stokes, pixel)."""
    cmb, beams = build_sky(conf).cmb, build_beams(conf)
    return (cmb if beams is None else beams.sky(cmb))[:, build_mask(conf).pixels]


@shared("instrument", most=4)
def build_bands(conf: SweepConf) -> "tuple[Band, ...] | None":
    """Bands of finite width; None where all are monochromatic."""
    return bands_of(conf.instrument, build_instrument(conf))


@shared("sky", "instrument", most=4)
def build_beams(conf: SweepConf) -> "Beams | None":
    """Beams of the bands and of the fit; None where there are none."""
    return beams_of(build_instrument(conf), conf.sky.nside)


def cache_of(conf: SweepConf) -> Cache:
    """Where expensive inputs are kept on disk."""
    return Cache(Path(str(conf.store.cache)))
