"""Q and U of the bands of an instrument, from files of maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.map_files import MapFiles
from sweep.inputs.stokes import read_stokes
from sweep.units import FloatArray


@dataclass(frozen=True)
class BandMaps:
    """Maps from files; of one band, whose number is 0, where the files are of none.

    Attributes:
        files: Where they are.
        nside: HEALPix resolution, which the files must have.
        unit: Of files that state none; None where all do.
        columns: Names of Q and U in the files, where they are unusual.
    """

    files: MapFiles
    nside: int
    unit: str | None
    columns: Sequence[str] = ()

    def read(self, realisation: int, band: int, pixels: np.ndarray | None = None) -> FloatArray:
        """Q and U of a band, uK_CMB, shape (2, pixel); NaN where nothing was observed.

        Args:
            realisation: Its number.
            band: Its number.
            pixels: RING indices, shape (pixel,); all without.

        Raises:
            ConfigError: As of `read_stokes`.
        """
        frequency = self.files.frequency[band] if self.files.frequency else None
        path = self.files.paths(realisation)[band]
        return read_stokes(
            path, self.files.key, self.nside, frequency, self.unit, self.columns, pixels
        )

    def bands(self, realisation: int, pixels: np.ndarray, where: str, advice: str) -> FloatArray:
        """Q and U of all bands, none of them missing, uK_CMB, shape (frequency, 2, pixel).

        Args:
            realisation: Its number.
            pixels: RING indices, shape (pixel,).
            where: These pixels in words, for messages.
            advice: What to do about a pixel that is missing.

        Raises:
            ConfigError: As of `read_stokes`, or a pixel is UNSEEN or not finite: which, of which
                band and realisation.
        """
        found = np.empty((len(self.files.band), 2, len(pixels)))
        for band, values in enumerate(found):
            values[:] = self.read(realisation, band, pixels)
            bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
            if bad.size:
                raise ConfigError(
                    f"{self.files.named(band, realisation)}: {bad.size:,} pixels {where} are "
                    f"UNSEEN or not finite, first {pixels[bad[0]]}; {advice}, or mend the map"
                )
        return found
