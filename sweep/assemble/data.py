"""What is observed: instrument, sky, mask and noise.

An identity is made of `versions`, also where nothing is computed: what makes maps is imported where
they are made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.assemble.shared import STATES, Versions, installed, shared, unversioned
from sweep.cache import Cache
from sweep.config.schema import (
    InstrumentConf,
    MapsSkyConf,
    MaskConf,
    PysmSkyConf,
    SweepConf,
    SyntheticSkyConf,
    TemplatesSkyConf,
    WhiteNoiseConf,
)
from sweep.errors import ConfigError
from sweep.types import FrequencyMaps

if TYPE_CHECKING:
    from sweep.instrument import Instrument
    from sweep.mask import Mask
    from sweep.sky.base import Sky
    from sweep.sky.maps import MapsSky

    AnySky = Sky | MapsSky

LEAST_BANDS = 4
"""With three, amplitudes of three components leave nothing that spectra could be fitted to."""

Draw = Callable[[int], FrequencyMaps]
"""Noise of a realisation, by its number: uK_CMB, shape (frequency, stokes, pixel)."""


Signal = Callable[[int], np.ndarray]
"""Maps of a realisation before noise is added, by its number: uK_CMB, shape (frequency, stokes,
pixel). The same array where the sky is the same in all."""


@dataclass(frozen=True)
class SkyChoice:
    """What makes a sky of its settings.

    Attributes:
        make: from the settings, the instrument (only maps from files are of one) and a cache.
        versions: see `Versions`.
    """

    make: "Callable[[Any, Instrument, Cache], AnySky]"
    versions: Versions = unversioned


def _synthetic(conf: SyntheticSkyConf, instrument: "Instrument", cache: Cache) -> "Sky":
    from sweep.sky.synthetic import synthetic_sky

    del instrument
    sky = synthetic_sky(conf.nside, conf.seed, conf.r, conf.cmb_seed, cache)
    return (
        _with_cmb_realisations(sky, conf.r, conf.cmb_seed, cache) if conf.cmb_realisations else sky
    )


def _templates(conf: TemplatesSkyConf, instrument: "Instrument", cache: Cache) -> "Sky":
    from sweep.sky.templates import template_sky

    del instrument, cache
    return template_sky(conf.path, conf.nside)


def _pysm(conf: PysmSkyConf, instrument: "Instrument", cache: Cache) -> "Sky":
    from sweep.sky.pysm import parse_tag, pysm_sky, tag_ratio

    del instrument
    r = tag_ratio(parse_tag(conf.tag).get("cmb", ""))
    if conf.cmb_realisations and r is None:
        raise ConfigError(
            f"sky.cmb_realisations = True: sky.tag = `{conf.tag}` has no CMB that is drawn; "
            "take cr<N>, e.g. cr0, or leave it at false"
        )
    sky = pysm_sky(conf.tag, conf.nside, conf.cmb_seed, cache)
    if not conf.cmb_realisations or r is None:
        return sky
    return _with_cmb_realisations(sky, r, conf.cmb_seed, cache)


def _with_cmb_realisations(sky: "Sky", r: float, seed: int, cache: Cache) -> "Sky":
    """The sky with a CMB of its own in every realisation, instead of its CMB."""
    from sweep.sky.cmb import cmb_by_realisation, cmb_spectra

    drawn = cmb_by_realisation(cmb_spectra(r, 2 * sky.nside, cache), sky.nside, seed)
    return replace(sky, cmb=np.zeros_like(sky.cmb), drawn=drawn)


def _maps(conf: MapsSkyConf, instrument: "Instrument", cache: Cache) -> "MapsSky":
    from sweep.inputs.map_files import MapFiles
    from sweep.sky.maps import MapsSky

    del cache
    band, frequency = instrument.band, tuple(instrument.frequency.tolist())

    def of_bands(key: str, pattern: str) -> MapFiles:
        return MapFiles(f"sky.{key}", pattern, band, frequency, conf.first)

    return MapsSky(
        nside=conf.nside,
        observed=of_bands("path", conf.path),
        noiseless=of_bands("noiseless", conf.noiseless) if conf.noiseless else None,
        cmb=MapFiles("sky.truth", conf.truth, (), (), conf.first) if conf.truth else None,
        unit=conf.unit,
        columns=tuple(conf.columns),
    )


def _first_files(conf: SweepConf) -> list[Any]:
    """Sizes and times of the files of realisation 0, which masks may be made from."""
    sky = _maps(conf.sky, build_instrument(conf), cache_of(conf))
    states = [path.stat() for path in sky.observed.paths(0) if path.is_file()]
    return [(state.st_size, state.st_mtime_ns) for state in states]


STATES[MapsSkyConf] = _first_files

SKIES = {
    SyntheticSkyConf: SkyChoice(_synthetic),
    TemplatesSkyConf: SkyChoice(_templates),
    PysmSkyConf: SkyChoice(_pysm, lambda conf: {"pysm3": installed("pysm3")}),
    MapsSkyConf: SkyChoice(_maps),
}
"""Skies, by the dataclass of their settings."""


def _instrument(conf: InstrumentConf) -> "Instrument":
    from sweep.instrument import Instrument, read_instrument

    if conf.path is not None:
        return read_instrument(conf.path)
    frequency, depth_p = np.asarray(conf.frequency), np.asarray(conf.depth_p)
    return Instrument(conf.name, frequency, depth_p, conf.source, tuple(conf.band))


INSTRUMENTS: "dict[type, Callable[[Any], Instrument]]" = {InstrumentConf: _instrument}
"""Instruments, by the dataclass of their settings."""


def _mask(conf: MaskConf, sky: "AnySky") -> "Mask":
    from sweep.mask import GalacticMasks, WithObserved, parse_mask, read_masks
    from sweep.sky.maps import MapsSky

    path = conf.path
    named = read_masks(path, sky.nside) if path else GalacticMasks(sky.dust_intensity())
    if isinstance(sky, MapsSky):
        named = WithObserved(named, sky.seen)
    return parse_mask(conf.expression, sky.nside, named)


MASKS: "dict[type, Callable[[Any, AnySky], Mask]]" = {MaskConf: _mask}
"""Masks of a sky, by the dataclass of their settings."""


def _white(conf: WhiteNoiseConf, instrument: "Instrument", mask: "Mask") -> Draw | None:
    from sweep.noise import white_noise_at

    if conf.ratio == 0:
        return None
    sigma = conf.ratio * instrument.noise_sigma(mask.nside)
    return partial(white_noise_at, conf.seed, sigma=sigma, nside=mask.nside, pixels=mask.pixels)


NOISES: "dict[type, Callable[[Any, Instrument, Mask], Draw | None]]" = {WhiteNoiseConf: _white}
"""Noise in kept pixels, or None for none, by the dataclass of its settings."""


def build_instrument(conf: SweepConf) -> "Instrument":
    """Bands and depths.

    Raises:
        ConfigError: there are too few different bands, or the file cannot be used.
    """
    made = INSTRUMENTS[type(conf.instrument)](conf.instrument)
    bands = np.unique(made.frequency).size
    if bands < LEAST_BANDS:
        raise ConfigError(
            f"instrument `{made.name}`: {bands} different frequencies, expected at least "
            f"{LEAST_BANDS}: CMB, dust and synchrotron alone fit any three"
        )
    return made


@shared("sky", most=4)
def build_sky(conf: SweepConf) -> "AnySky":
    """The true sky, or maps of it."""
    return SKIES[type(conf.sky)].make(conf.sky, build_instrument(conf), cache_of(conf))


@shared("sky", "mask", most=16)
def build_mask(conf: SweepConf) -> "Mask":
    """The kept pixels; every map of a true sky is finite there."""
    from sweep.sky.base import Sky, check_finite

    sky = build_sky(conf)
    mask = MASKS[type(conf.mask)](conf.mask, sky)
    if isinstance(sky, Sky):
        check_finite(sky, mask.keep)
    return mask


@shared("sky", "instrument", "mask", most=4)
def build_signal(conf: SweepConf) -> Signal:
    """Maps of the kept pixels without noise; those from files with theirs.

    Raises:
        ConfigError: the sky is not finite there, and which pixel, at which frequency; for maps
            from files this is seen, as all else of a file, where a realisation is asked for.
    """
    from sweep.sky.maps import MapsSky

    sky, mask, frequency = build_sky(conf), build_mask(conf), build_instrument(conf).frequency
    if isinstance(sky, MapsSky):
        return partial(sky.maps, pixels=mask.pixels)
    signal = sky.maps(frequency)[..., mask.pixels]
    bad = np.argwhere(~np.isfinite(signal))
    if bad.size:
        band, _, pixel = bad[0]
        raise ConfigError(
            f"the sky is not finite at {len(np.unique(bad[:, 2]))} kept pixels, first pixel "
            f"{mask.pixels[pixel]} at {frequency[band]:g} GHz: check its parameter maps"
        )
    if sky.drawn is None:
        return lambda realisation: signal
    drawn = sky.drawn
    return lambda realisation: signal + drawn(realisation)[:, mask.pixels]


def check_data(conf: SweepConf, realisations: tuple[int, ...]) -> None:
    """See that there are data for these realisations; of maps from files the first is read.

    Raises:
        ConfigError: there are none, or they cannot be used.
    """
    from sweep.sky.maps import MapsSky

    sky = build_sky(conf)
    if not isinstance(sky, MapsSky):
        build_signal(conf)
        return
    sky.check_there(realisations)
    build_signal(conf)(realisations[0])
    true_cmb(conf, realisations[:1])


def file_count(conf: SweepConf) -> int:
    """Files that a realisation of the data is read from; 0 where data are simulated here."""
    from sweep.sky.maps import MapsSky

    sky = build_sky(conf)
    return len(sky.files(0)) if isinstance(sky, MapsSky) else 0


def true_cmb(conf: SweepConf, realisations: tuple[int, ...]) -> np.ndarray | None:
    """The CMB in the kept pixels that fits are to recover; None where it is not known.

    Args:
        conf: the configuration.
        realisations: numbers of the realisations.

    Returns:
        uK_CMB, shape (realisation, stokes, pixel).

    Raises:
        ConfigError: a file of it cannot be used, or is not finite in a kept pixel.
    """
    sky, pixels = build_sky(conf), build_mask(conf).pixels
    found = [sky.true_cmb(realisation) for realisation in realisations]
    if any(cmb is None for cmb in found):
        return None
    kept = np.stack([cmb[:, pixels] for cmb in found if cmb is not None])
    bad = np.argwhere(~np.isfinite(kept))
    if bad.size:
        realisation, _, pixel = bad[0]
        raise ConfigError(
            f"sky.truth: the true CMB is UNSEEN or not finite inside the mask, first at pixel "
            f"{pixels[pixel]} (realisation {realisations[realisation]}); mask it, or mend the map"
        )
    return kept


def build_noise(conf: SweepConf) -> Draw | None:
    """The noise of a realisation in the kept pixels; None where there is none to be added."""
    if isinstance(conf.sky, MapsSkyConf):
        return None
    return NOISES[type(conf.noise)](conf.noise, build_instrument(conf), build_mask(conf))


def cache_of(conf: SweepConf) -> Cache:
    """Where expensive inputs are kept on disk."""
    return Cache(Path(str(conf.store.cache)))
