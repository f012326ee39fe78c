"""A sky that was observed, or simulated elsewhere: maps of its bands from files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.band_maps import BandMaps
from sweep.inputs.map_files import MapFiles
from sweep.units import FloatArray

NOISE_FREE = -1
"""The number of the realisation without noise."""


@dataclass(frozen=True, eq=False)
class MapsSky:
    """Maps of the bands of an instrument, which hold their noise.

    Attributes:
        observed: The maps.
        noiseless: Those without noise; None where there are none.
        cmb: The true CMB; None where it is not known.
    """

    observed: BandMaps
    noiseless: BandMaps | None
    cmb: BandMaps | None

    @property
    def nside(self) -> int:
        """HEALPix resolution."""
        return self.observed.nside

    @property
    def truth(self) -> dict[str, FloatArray]:
        """Spectral parameter maps behind the foregrounds: none is known."""
        return {}

    def true_cmb(self, realisation: int) -> FloatArray | None:
        """Q and U of the CMB in a realisation, uK_CMB, shape (2, npix); None where not known.

        Raises:
            ConfigError: As of `read_stokes`.
        """
        return None if self.cmb is None else self.cmb.read(realisation, 0)

    def maps(self, realisation: int, pixels: np.ndarray) -> FloatArray:
        """The maps of a realisation in some pixels, uK_CMB, shape (frequency, 2, pixel).

        Args:
            realisation: Its number; `NOISE_FREE` is that of the maps without noise.
            pixels: RING indices, shape (pixel,).

        Raises:
            ConfigError: As of `BandMaps.bands`.
        """
        where = "inside the mask"
        advice = "mask them (mask.expression=OBSERVED keeps what every band saw)"
        if len(pixels) == 12 * self.nside**2:
            where = "of the whole sky, which mask.expression=ALL and instrument.fwhm_out need,"
            advice += ", leave instrument.fwhm_out out"
        return self._maps(realisation).bands(realisation, pixels, where, advice)

    def dust_intensity(self) -> FloatArray:
        """Polarised intensity at the highest frequency in realisation 0, uK_CMB, shape (npix,).

        Its noise is smoothed over, as masks need it; NaN where nothing was observed.

        Raises:
            ConfigError: As of `read_stokes`.
        """
        q, u = self.observed.read(0, int(np.argmax(self.observed.files.frequency)))
        return np.hypot(q, u)

    def seen(self) -> np.ndarray:
        """Which pixels every band observed in realisation 0, bool, shape (npix,).

        Raises:
            ConfigError: As of `read_stokes`.
        """
        maps = (self.observed.read(0, band) for band in range(len(self.observed.files.band)))
        return np.logical_and.reduce([np.isfinite(each).all(axis=0) for each in maps])

    def check_there(self, realisations: Sequence[int]) -> None:
        """See that every file of some realisations is there.

        Raises:
            ConfigError: One is not: its path, band and realisation.
        """
        advice = "give one of every band in each of noise.realisations, or lower these"
        for realisation in realisations:
            for maps in self._read_of(realisation):
                maps.files.check_there((realisation,), advice)

    def files(self, realisation: int) -> list[tuple[MapFiles, int]]:
        """All that is read of a realisation: the files, and the number of the band in them."""
        read = [maps.files for maps in self._read_of(realisation)]
        return [(files, band) for files in read for band in range(len(files.band) or 1)]

    def digests(self, realisation: int) -> list[int]:
        """What the files of a realisation hold, in the order of `files`, a number for each.

        Raises:
            ConfigError: One is not there, or cannot be read.
        """
        return [_short(f.digest(realisation, band)) for f, band in self.files(realisation)]

    def check_unchanged(self, realisation: int, digests: Sequence[int]) -> None:
        """See that the files of a realisation hold what they held; those that are gone are let be.

        Args:
            realisation: Its number.
            digests: What `digests` gave when they were fitted.

        Raises:
            ConfigError: One does not: its path, band and realisation.
        """
        for (files, band), digest in zip(self.files(realisation), digests, strict=False):
            path = files.paths(realisation)[band]
            if path.is_file() and _short(files.digest(realisation, band)) != digest:
                raise ConfigError(
                    f"{files.named(band, realisation)}: has changed since it was fitted; restore "
                    "it, or fit it into another store.path; another set of maps has a name of its "
                    "own, sky.dataset=NAME"
                )

    def _maps(self, realisation: int) -> BandMaps:
        if realisation != NOISE_FREE:
            return self.observed
        assert self.noiseless is not None  # as `sweep.config.checks` sees to
        return self.noiseless

    def _read_of(self, realisation: int) -> list[BandMaps]:
        return [self._maps(realisation), *([] if self.cmb is None else [self.cmb])]


def _short(digest: str) -> int:
    """60 bits of a sha256 in hex, which are an int64 of at least 0: enough to tell a change."""
    return int(digest[:15], 16)
