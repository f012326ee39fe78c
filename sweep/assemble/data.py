"""What is observed: instrument, sky and mask.

An identity is made of `versions`, also where nothing is computed: what makes maps is imported where
they are made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.assemble.optics import bands_of, beams_of, mismatch_of
from sweep.assemble.shared import STATES, Versions, installed, shared, unversioned
from sweep.cache import Cache
from sweep.config.groups.instrument import InstrumentConf
from sweep.config.groups.mask import MaskConf
from sweep.config.groups.sky import MapsSkyConf, PysmSkyConf, SyntheticSkyConf, TemplatesSkyConf
from sweep.config.models import sky_model
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError

if TYPE_CHECKING:
    from sweep.bands import Band
    from sweep.beams import Beams
    from sweep.instrument import Instrument
    from sweep.mask import Mask
    from sweep.sky.base import Sky
    from sweep.sky.maps import MapsSky

    AnySky = Sky | MapsSky


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
    if conf.curvature or conf.free_free or conf.second_dust:
        from sweep.sky.other_laws import with_other_laws

        sky = with_other_laws(sky, conf.seed, conf.curvature, conf.free_free, conf.second_dust)
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
    from sweep.inputs.band_maps import BandMaps
    from sweep.inputs.map_files import MapFiles
    from sweep.sky.maps import MapsSky

    del cache
    band, frequency = instrument.band, tuple(instrument.frequency.tolist())

    def of_bands(key: str, pattern: str) -> BandMaps:
        files = MapFiles(f"sky.{key}", pattern, band, frequency, conf.first)
        return BandMaps(files, conf.nside, conf.unit, tuple(conf.columns))

    truth = MapFiles("sky.truth", conf.truth, (), (), conf.first) if conf.truth else None
    return MapsSky(
        observed=of_bands("path", conf.path),
        noiseless=of_bands("noiseless", conf.noiseless) if conf.noiseless else None,
        cmb=BandMaps(truth, conf.nside, conf.unit) if truth else None,
    )


def _first_files(conf: SweepConf) -> list[Any]:
    """Sizes and times of the files of realisation 0, which masks may be made from."""
    sky = _maps(conf.sky, build_instrument(conf), cache_of(conf))
    states = [path.stat() for path in sky.observed.files.paths(0) if path.is_file()]
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
    from sweep.instrument import OPTIONAL, Instrument, read_instrument

    optional = (*OPTIONAL, "fwhm_out")
    given = {key: value for key in optional if (value := getattr(conf, key))}
    band = tuple(conf.band)
    if conf.path is None:
        frequency, depth_p = np.asarray(conf.frequency), np.asarray(conf.depth_p)
        more: Any = dict.fromkeys(optional) | given
        return Instrument(conf.name, frequency, depth_p, conf.source, **more, band=band)
    read = read_instrument(conf.path)
    for key in given:
        if getattr(read, key) is not None:
            absent = "null" if key == "fwhm_out" else "[]"
            raise ConfigError(
                f"instrument.{key}: instrument.path = {conf.path} has it too; give one of the two, "
                f"or add instrument.{key}={absent}"
            )
    return replace(read, **given, **({"band": band} if band else {}))


INSTRUMENTS: "dict[type, Callable[[Any], Instrument]]" = {InstrumentConf: _instrument}
"""Instruments, by the dataclass of their settings."""


def _mask(conf: MaskConf, sky: "AnySky") -> "Mask":
    from sweep.mask import GalacticMasks, WithObserved, parse_mask, read_masks
    from sweep.sky.maps import MapsSky

    path = conf.path
    named = read_masks(path, sky.nside) if path else GalacticMasks(sky.dust_intensity())
    if isinstance(sky, MapsSky):
        named = WithObserved(named, sky.seen)
    mask = parse_mask(conf.expression, sky.nside, named)
    return mask if conf.apodisation is None else replace(mask, apodisation=conf.apodisation)


MASKS: "dict[type, Callable[[Any, AnySky], Mask]]" = {MaskConf: _mask}
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
    """Maps of the kept pixels at the resolution of the fit without noise; from files with theirs.

    Raises:
        ConfigError: the sky is not finite there, and which pixel, at which frequency; for maps
            from files this is seen, as all else of a file, where a realisation is asked for.
    """
    from sweep.sky.maps import MapsSky

    sky, mask, frequency = build_sky(conf), build_mask(conf), build_instrument(conf).frequency
    if isinstance(sky, MapsSky):
        return _from_files(sky, mask.pixels, build_beams(conf))
    signal = _signal(conf, sky, np.zeros(frequency.size))
    bad = np.argwhere(~np.isfinite(signal))
    if bad.size:
        band, _, pixel = bad[0]
        raise ConfigError(
            f"the sky is not finite at {len(np.unique(bad[:, 2]))} kept pixels, first pixel "
            f"{mask.pixels[pixel]} at {frequency[band]:g} GHz: check its parameter maps"
        )
    if sky.drawn is None:
        return lambda realisation: signal
    return lambda realisation: signal + _drawn(conf, sky, realisation)


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
    from sweep.sky.maps import MapsSky

    sky, pixels = build_sky(conf), build_mask(conf).pixels
    if not isinstance(sky, MapsSky):
        shared_cmb = build_shared_truth(conf)
        if sky.drawn is None:
            return np.broadcast_to(shared_cmb, (len(realisations), *shared_cmb.shape))
        return np.stack([shared_cmb + _drawn(conf, sky, r) for r in realisations])
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


def _signal(conf: SweepConf, sky: "Sky", shift: np.ndarray) -> np.ndarray:
    """Maps without a drawn CMB, where bands are shifted in frequency, relative, (frequency,)."""
    bands, beams = build_bands(conf), build_beams(conf)
    if bands is None:
        maps = sky.maps(build_instrument(conf).frequency * (1.0 + shift))
    else:
        shifted = [band.shifted(by) for band, by in zip(bands, shift, strict=True)]
        maps = sky.maps_through(shifted)
    return (maps if beams is None else beams.sky(maps))[..., build_mask(conf).pixels]


def _from_files(sky: "MapsSky", pixels: np.ndarray, beams: "Beams | None") -> Signal:
    if beams is None:
        return partial(sky.maps, pixels=pixels)
    whole = np.arange(12 * sky.nside**2)  # what is smoothed has no edge
    return lambda realisation: beams.noise(sky.maps(realisation, whole))[..., pixels]


def build_distorted(conf: SweepConf) -> Signal | None:
    """The signal of a realisation as an instrument with errors sees it; None without errors."""
    mismatch = mismatch_of(conf.instrument, build_instrument(conf).frequency.size)
    if mismatch is None:
        return None
    from sweep.mismatch import distorted

    sky: Any = build_sky(conf)

    def signal(realisation: int) -> np.ndarray:
        errors = mismatch.drawn(conf.noise.seed, realisation)
        if not errors.shift.any():
            return distorted(build_signal(conf)(realisation), errors)
        shifted = _signal(conf, sky, errors.shift)
        maps = shifted if sky.drawn is None else shifted + _drawn(conf, sky, realisation)
        return distorted(maps, errors)

    return signal


def _drawn(conf: SweepConf, sky: "Sky", realisation: int) -> np.ndarray:
    """The CMB of a realisation in the kept pixels, at the resolution of the fit."""
    assert sky.drawn is not None
    cmb, beams = sky.drawn(realisation), build_beams(conf)
    return (cmb if beams is None else beams.sky(cmb))[:, build_mask(conf).pixels]


@shared("sky", "instrument", "mask", most=4)
def build_shared_truth(conf: SweepConf) -> np.ndarray:
    """CMB of all realisations in the kept pixels, as `true_cmb`, uK_CMB, shape (stokes, pixel)."""
    sky, beams = build_sky(conf), build_beams(conf)
    cmb: Any = sky.cmb
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
