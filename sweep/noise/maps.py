"""Noise from files: maps of it that were simulated elsewhere, one a band and realisation."""

from dataclasses import dataclass

import numpy as np

from sweep.inputs.band_maps import BandMaps
from sweep.noise.base import Noise, Root
from sweep.units import FloatArray

SAMPLE = 20
"""Realisations, the first, that the variance of a band is taken of."""


@dataclass(frozen=True)
class NoiseMaps:
    """Maps of noise in some pixels.

    Attributes:
        maps: of the bands.
        pixels: RING indices, shape (pixel,).
    """

    maps: BandMaps
    pixels: np.ndarray

    def read(self, realisation: int) -> FloatArray:
        """The noise of a realisation, uK_CMB, shape (frequency, 2, pixel).

        Raises:
            ConfigError: as of `BandMaps.bands`.
        """
        return self.maps.bands(realisation, self.pixels, "inside the mask", "mask them")

    def sigma(self) -> FloatArray:
        """Standard deviation of the bands in a pixel, of the first `SAMPLE` realisations.

        Raises:
            ConfigError: as of `read`, or there are fewer.
        """
        advice = (
            f"a variance is that of {SAMPLE} maps a band: give these, or their rms by noise.rms=..."
        )
        self.maps.files.check_there(range(SAMPLE), advice)
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

    sigma = maps.sigma() if root is None else np.ones(len(maps.maps.files.band))
    return Noise(draw if ratio else None, sigma, root, None)
