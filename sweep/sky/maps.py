"""A sky that was observed, or simulated elsewhere: maps of its bands from files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.map_files import MapFiles
from sweep.inputs.stokes import read_stokes
from sweep.units import FloatArray

NOISE_FREE = -1
"""The number of the realisation without noise."""


@dataclass(frozen=True, eq=False)
class MapsSky:
    """Maps of the bands of an instrument, which hold their noise.

    Attributes:
        nside: HEALPix resolution.
        observed: The maps.
        noiseless: Those without noise; None where there are none.
        cmb: The true CMB; None where it is not known.
        unit: Of files that state none.
        columns: Names of Q and U in the files, where they are unusual.
    """

    nside: int
    observed: MapFiles
    noiseless: MapFiles | None
    cmb: MapFiles | None
    unit: str | None
    columns: Sequence[str]

    @property
    def truth(self) -> dict[str, FloatArray]:
        """Spectral parameter maps behind the foregrounds: none is known."""
        return {}

    def true_cmb(self, realisation: int) -> FloatArray | None:
        """Q and U of the CMB in a realisation, uK_CMB, shape (2, npix); None where not known.

        Raises:
            ConfigError: As of `read_stokes`.
        """
        if self.cmb is None:
            return None
        (path,) = self.cmb.paths(realisation)
        return read_stokes(path, self.cmb.key, self.nside, None, self.unit)

    def maps(self, realisation: int, pixels: np.ndarray) -> FloatArray:
        """The maps of a realisation in some pixels, uK_CMB, shape (frequency, 2, pixel).

        Args:
            realisation: Its number; `NOISE_FREE` is that of the maps without noise.
            pixels: RING indices, shape (pixel,).

        Raises:
            ConfigError: As of `read_stokes`, or a pixel is UNSEEN or not finite: which, of which
                band and realisation.
        """
        files = self._files(realisation)
        found = np.empty((len(files.band), 2, len(pixels)))
        for band, values in enumerate(found):
            values[:] = self._read(files, band, realisation, pixels)
            bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
            if bad.size:
                raise ConfigError(
                    f"{files.named(band, realisation)}: {bad.size:,} pixels inside the mask are "
                    f"UNSEEN or not finite, first {pixels[bad[0]]}; mask them "
                    "(mask.expression=OBSERVED keeps what every band saw), or mend the map"
                )
        return found

    def dust_intensity(self) -> FloatArray:
        """Polarised intensity at the highest frequency in realisation 0, uK_CMB, shape (npix,).

        Its noise is smoothed over, as masks need it; NaN where nothing was observed.

        Raises:
            ConfigError: As of `read_stokes`.
        """
        q, u = self._read(self.observed, int(np.argmax(self.observed.frequency)), 0)
        return np.hypot(q, u)

    def seen(self) -> np.ndarray:
        """Which pixels every band observed in realisation 0, bool, shape (npix,).

        Raises:
            ConfigError: As of `read_stokes`.
        """
        maps = (self._read(self.observed, band, 0) for band in range(len(self.observed.band)))
        return np.logical_and.reduce([np.isfinite(each).all(axis=0) for each in maps])

    def check_there(self, realisations: Sequence[int]) -> None:
        """See that every file of some realisations is there.

        Raises:
            ConfigError: One is not: its path, band and realisation.
        """
        for realisation in realisations:
            for files, band in self.files(realisation):
                if not files.paths(realisation)[band].is_file():
                    raise ConfigError(
                        f"{files.named(band, realisation)}: there is no such file; give one of "
                        "every band in each of noise.realisations, or lower these"
                    )

    def files(self, realisation: int) -> list[tuple[MapFiles, int]]:
        """All that is read of a realisation: the files, and the number of the band in them."""
        maps = self._files(realisation)
        found = [(maps, band) for band in range(len(maps.band))]
        return found if self.cmb is None else [*found, (self.cmb, 0)]

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

    def _files(self, realisation: int) -> MapFiles:
        if realisation != NOISE_FREE:
            return self.observed
        assert self.noiseless is not None  # as `sweep.config.checks` sees to
        return self.noiseless

    def _read(
        self, files: MapFiles, band: int, realisation: int, pixels: np.ndarray | None = None
    ) -> FloatArray:
        path, frequency = files.paths(realisation)[band], files.frequency[band]
        return read_stokes(path, files.key, self.nside, frequency, self.unit, self.columns, pixels)


def _short(digest: str) -> int:
    """60 bits of a sha256 in hex, which are an int64 of at least 0: enough to tell a change."""
    return int(digest[:15], 16)
