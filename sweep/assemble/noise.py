"""Noise of the maps, by the choice of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.assemble.data import build_beams, build_instrument, build_mask
from sweep.assemble.shared import shared
from sweep.config.groups.noise import (
    HitsNoiseConf,
    KneeNoiseConf,
    MapsNoiseConf,
    RmsNoiseConf,
    WhiteNoiseConf,
)
from sweep.config.groups.sky import MapsSkyConf
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError

if TYPE_CHECKING:
    from sweep.beams import Beams
    from sweep.inputs.columns import Columns
    from sweep.inputs.map_files import MapFiles
    from sweep.instrument import Instrument
    from sweep.mask import Mask
    from sweep.noise import Noise
    from sweep.types import Draw, FrequencyMaps


def _white(conf: WhiteNoiseConf, instrument: "Instrument", mask: "Mask") -> "Noise":
    from sweep.noise import Noise, white_noise_at

    sigma, pixels = instrument.noise_sigma(mask.nside), mask.pixels
    added = conf.ratio * sigma
    draw = partial(white_noise_at, conf.seed, sigma=added, nside=mask.nside, pixels=pixels)
    return Noise(draw if conf.ratio else None, sigma, None, None)


def _hits(conf: HitsNoiseConf, instrument: "Instrument", mask: "Mask") -> "Noise":
    from sweep.noise.hits import hits_root
    from sweep.noise.pixelwise import pixelwise_noise

    files = _files("noise.path", conf.path, instrument)
    bands = instrument.frequency.size
    root = hits_root(files, bands, mask.nside, mask.pixels, conf.floor)
    sigma = instrument.noise_sigma(mask.nside)
    return pixelwise_noise(conf.seed, conf.ratio, sigma, root, mask.nside, mask.pixels)


def _rms(conf: RmsNoiseConf, instrument: "Instrument", mask: "Mask") -> "Noise":
    from sweep.noise.pixelwise import pixelwise_noise
    from sweep.noise.rms import rms_root

    frequency = instrument.frequency
    files = _files("noise.path", conf.path, instrument)
    root = rms_root(files, frequency, mask.nside, mask.pixels)
    ones = np.ones(frequency.size)
    return pixelwise_noise(conf.seed, conf.ratio, ones, root, mask.nside, mask.pixels)


def _knee(conf: KneeNoiseConf, instrument: "Instrument", mask: "Mask") -> "Noise":
    from sweep.noise.knee import knee_noise, red_spectrum

    knee, slope = instrument.ell_knee, instrument.alpha_knee
    if knee is None or slope is None:
        absent = "ell_knee" if knee is None else "alpha_knee"
        raise ConfigError(
            f"noise=knee: instrument `{instrument.name}` has no {absent}; give one value a band, "
            f"instrument.{absent}=[...]"
        )
    sigma, white = instrument.noise_sigma(mask.nside), instrument.white_spectrum
    red = np.stack(
        [
            red_spectrum(level, multipole, alpha, conf.lowest, 3 * mask.nside - 1)
            for level, multipole, alpha in zip(white, knee, slope, strict=True)
        ]
    )
    return knee_noise(conf.seed, conf.ratio, sigma, red, mask.nside, mask.pixels)


def _maps(conf: MapsNoiseConf, instrument: "Instrument", mask: "Mask") -> "Noise":
    from sweep.inputs.band_maps import BandMaps
    from sweep.noise.maps import NoiseMaps, maps_noise
    from sweep.noise.rms import rms_root

    files, root = _by_realisation(conf, instrument), None
    if conf.rms is not None:
        rms = _files("noise.rms", conf.rms, instrument)
        root = rms_root(rms, instrument.frequency, mask.nside, mask.pixels)
    maps = BandMaps(files, mask.nside, conf.unit, tuple(conf.columns))
    return maps_noise(NoiseMaps(maps, mask.pixels), conf.ratio, root)


def _by_realisation(conf: MapsNoiseConf, instrument: "Instrument") -> "MapFiles":
    files = _of_bands("noise.path", conf.path, instrument, conf.first)
    if not files.by_realisation:
        raise ConfigError(
            f"noise.path = {conf.path}: has no {{realisation}}, all would have the same noise; "
            "give maps by {band} and {realisation:04d}"
        )
    return files


def _files(key: str, path: str, instrument: "Instrument") -> "list[Columns]":
    from sweep.inputs.read import read_columns

    if "{" not in path:
        return [read_columns(path, key)]
    files = _of_bands(key, path, instrument, 0)
    if files.by_realisation:
        raise ConfigError(f"{key} = {path}: unknown `{{realisation}}`; use {{band}}")
    return [read_columns(each, key) for each in files.paths(0)]


def _of_bands(key: str, path: str, instrument: "Instrument", first: int) -> "MapFiles":
    from sweep.inputs.map_files import MapFiles

    frequency = tuple(instrument.frequency.tolist())
    return MapFiles(key, path, instrument.band, frequency, first)


NOISES: "dict[type, Callable[[Any, Instrument, Mask], Noise]]" = {
    WhiteNoiseConf: _white,
    HitsNoiseConf: _hits,
    RmsNoiseConf: _rms,
    KneeNoiseConf: _knee,
    MapsNoiseConf: _maps,
}
"""Noise in kept pixels, by the dataclass of its settings."""

_NO_RMS = (
    "have no rms above 0, or no covariance that is positive definite, first {}; leave them out by "
    "the mask (mask.path), or mend the file"
)

_LACKING = {
    HitsNoiseConf: "have no hits, first {}; leave them out by the mask (mask.path), or give "
    "noise.floor, e.g. 0.05",
    RmsNoiseConf: _NO_RMS,
    MapsNoiseConf: _NO_RMS,
}
"""What is wrong where the noise of a pixel is not known."""


@shared("sky", "instrument", "mask", "noise", most=4)
def build_noise(conf: SweepConf) -> "Noise":
    """Noise of the kept pixels.

    Raises:
        ConfigError: a file cannot be used, or says nothing of a kept pixel.
    """
    given: Any = conf.noise
    make, instrument, mask = NOISES[type(given)], build_instrument(conf), build_mask(conf)
    noise, beams = make(given, instrument, mask), build_beams(conf)
    if noise.root is not None:
        bad = np.flatnonzero(~np.isfinite(noise.root).all(axis=(0, 1)))
        if bad.size:
            lacking = _LACKING[type(given)].format(mask.pixels[bad[0]])
            key = "noise.rms" if getattr(given, "rms", None) else "noise.path"
            path = getattr(given, key.removeprefix("noise."))
            raise ConfigError(f"{key} = {path}: {bad.size:,} pixels inside the mask {lacking}")
    if beams is not None:
        from sweep.mask import Mask

        sphere = make(given, instrument, Mask(mask.nside, np.ones_like(mask.keep), "ALL"))
        noise = _smoothed(noise, sphere, beams, mask.pixels)
    if isinstance(conf.sky, MapsSkyConf):  # they hold their noise
        return replace(noise, draw=None)
    if given.antithetic and noise.draw is not None:
        return replace(noise, draw=_either_sign(noise.draw))
    return noise


def _either_sign(draw: "Draw") -> "Draw":
    """Realisations 2k and 2k + 1 are draw k and minus it."""

    def drawn(realisation: int) -> "FrequencyMaps":
        return (1 - 2 * (realisation % 2)) * draw(realisation // 2)

    return drawn


def check_noise(conf: SweepConf, realisations: tuple[int, ...]) -> None:
    """See that there is noise for these realisations.

    Raises:
        ConfigError: it is read, and a file is not there.
    """
    if isinstance(conf.noise, MapsNoiseConf) and not isinstance(conf.sky, MapsSkyConf):
        files = _by_realisation(conf.noise, build_instrument(conf))
        noisy = [number for number in realisations if number >= 0]
        if conf.noise.antithetic:
            noisy = sorted({number // 2 for number in noisy})
        files.check_there(noisy, "give one of every band in each of noise.realisations")


def _smoothed(noise: "Noise", sphere: "Noise", beams: "Beams", pixels: np.ndarray) -> "Noise":
    """Noise at the resolution of the fit: that of the sphere, smoothed.

    A pattern of noise over pixels stays what it is: it varies slowly over a beam, or the weights
    are not quite right.
    """
    sigma = noise.sigma * np.sqrt(beams.variance)
    if noise.spectrum is not None:
        from sweep.noise.knee import pixel_variance

        kept = [1.0 if t is None else t**2 for t in beams.transfers]
        each = zip(noise.spectrum, kept, strict=True)
        sigma = np.sqrt(pixel_variance(np.stack([spectrum * t for spectrum, t in each])))
    draw = sphere.draw
    if draw is None:
        return replace(noise, sigma=sigma)

    def smoothed(realisation: int) -> np.ndarray:
        return beams.noise(np.asarray(draw(realisation)))[..., pixels]

    return replace(noise, draw=smoothed, sigma=sigma)
