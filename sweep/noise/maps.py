"""Noise from files: maps of it that were simulated elsewhere, one a band and realisation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.map_files import MapFiles
from sweep.inputs.stokes import read_stokes
from sweep.noise.base import Noise, Root
from sweep.units import FloatArray

SAMPLE = 20
"""Realisations, the first, that the variance of a band is taken of."""


@dataclass(frozen=True)
class NoiseMaps:
    """Maps of noise in some pixels.

    Attributes:
        files: of the bands.
        nside: HEALPix resolution, which the files must have.
        pixels: RING indices, shape (pixel,).
        unit: of files that state none; None where all do.
        columns: names of Q and U in the files, where they are unusual.
    """

    files: MapFiles
    nside: int
    pixels: np.ndarray
    unit: str | None
    columns: Sequence[str]

    def read(self, realisation: int) -> FloatArray:
        """The noise of a realisation, uK_CMB, shape (frequency, 2, pixel).

        Raises:
            ConfigError: as of `read_stokes`, or a pixel is UNSEEN or not finite.
        """
        found = np.empty((len(self.files.band), 2, self.pixels.size))
        paths = self.files.paths(realisation)
        for band, (path, nu) in enumerate(zip(paths, self.files.frequency, strict=True)):
            found[band] = read_stokes(
                path, self.files.key, self.nside, nu, self.unit, self.columns, self.pixels
            )
            bad = np.flatnonzero(~np.isfinite(found[band]).all(axis=0))
            if bad.size:
                raise ConfigError(
                    f"{self.files.key} = {path}: {bad.size:,} pixels inside the mask are UNSEEN or "
                    f"not finite, first {self.pixels[bad[0]]} "
                    f"({self.files.named(band, realisation)}); mask them, or mend the map"
                )
        return found

    def sigma(self) -> FloatArray:
        """Standard deviation of the bands in a pixel, of the first `SAMPLE` realisations.

        Raises:
            ConfigError: as of `read`, or there are fewer.
        """
        check_there(
            self.files,
            range(SAMPLE),
            f"a variance is that of {SAMPLE} maps a band: give "
            "these, or their rms by noise.rms=...",
        )
        squares = [np.mean(self.read(number) ** 2, axis=(1, 2)) for number in range(SAMPLE)]
        return np.sqrt(np.mean(squares, axis=0))


def maps_noise(maps: NoiseMaps, ratio: float, root: Root | None) -> Noise:
    """Noise that is read.

    Args:
        maps: of it.
        ratio: of what is added to what is read; 0 adds none.
        root: what the likelihood takes for it, L of the pixels in uK_CMB; None is the same in all
            pixels of a band.
    """

    def draw(realisation: int) -> FloatArray:
        return ratio * maps.read(realisation)

    sigma = maps.sigma() if root is None else np.ones(len(maps.files.band))
    return Noise(draw if ratio else None, sigma, root, None)


def check_there(files: MapFiles, realisations: Sequence[int], advice: str) -> None:
    """See that all files of some realisations are there.

    Raises:
        ConfigError: one is not: its path, band and realisation.
    """
    for realisation in realisations:
        for band, path in enumerate(files.paths(realisation)):
            if not path.is_file():
                about = files.named(band, realisation)
                raise ConfigError(
                    f"{files.key} = {path}: there is no such file ({about}); {advice}"
                )
