"""Named maps of a file, in one form: RING, Galactic, COSMO, and in the unit asked for."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.units import to_kelvin, to_microkelvin
from sweep.units import FloatArray, frequency_problem

_NO_UNIT = ("", "none", "unknown")


@dataclass(frozen=True, eq=False)
class Columns:
    """What a file holds. A map is judged when it is asked for, and no other.

    Attributes:
        key: The setting that names the file, for messages.
        path: The file.
        arrays: Maps by name, as in the file.
        header: Numbers and texts about all of them, by name in lower case.
        units: Units that the file states, by name of the map.
        nested: Whether the maps are in NESTED order; what is asked for is in RING.
    """

    key: str
    path: Path
    arrays: dict[str, np.ndarray]
    header: dict[str, Any]
    units: dict[str, str]
    nested: bool

    def refused(self, problem: str) -> ConfigError:
        """The error that the file has a problem, in one line that names setting and file."""
        return ConfigError(f"{self.key} = {self.path}: {problem}")

    def stated(self, name: str) -> str:
        """What the header says under `name`, in capitals; empty where it says nothing."""
        return str(self.header.get(name, "")).strip().upper()

    def ring(self, name: str, pixels: np.ndarray | None = None) -> np.ndarray:
        """An array in RING order, or some of its pixels; as it is where it has no HEALPix size."""
        array, index = self.arrays[name], pixels
        if not array.ndim or not hp.isnpixok(array.shape[-1]):
            return array
        if self.nested:
            places = _nested_places(array.shape[-1])
            index = places if pixels is None else places[pixels]
        found = array if index is None else array[..., index]
        return found.astype(found.dtype.newbyteorder("="), copy=False)

    def map(self, name: str, nside: int, pixels: np.ndarray | None = None) -> np.ndarray:
        """The map `name`, shape (npix,), RING, or some of its pixels; FITS does not tell a from A.

        Raises:
            ConfigError: It is missing, holds no numbers, or is of another size.
        """
        found = self._spelling(name)
        if found is None:
            raise self.refused(f"has no `{name}`; it has {', '.join(self.arrays) or 'no map'}")
        array = self.arrays[found]
        if got := not_numbers(array):
            raise self.refused(f"`{name}`: expected numbers, got {got}; write numbers")
        if array.ndim != 1 or not hp.isnpixok(array.size):
            size = f"{array.size:,}" if array.ndim == 1 else f"{array.shape}"
            raise self.refused(f"`{name}`: {size} pixels is no HEALPix size (12 nside^2)")
        if hp.npix2nside(array.size) != nside:
            raise self.refused(
                f"`{name}`: map has nside {hp.npix2nside(array.size)}, config {nside}; "
                "set sky.nside to the map's or regrade the map"
            )
        return self.ring(found, pixels)

    def values(self, name: str, nside: int, pixels: np.ndarray | None = None) -> FloatArray:
        """The map `name`, or some pixels of it, without a unit, float64, UNSEEN as NaN.

        Raises:
            ConfigError: As of `map`.
        """
        array = self.map(name, nside, pixels).astype(np.float64)
        # healpy.UNSEEN, -1.6375e30, survives a trip through float32 only roughly.
        array[array < -1e30] = np.nan
        return array

    def temperature(self, name: str, nside: int) -> FloatArray:
        """The map `name` of a temperature in K, from the unit that the file states, K without.

        Raises:
            ConfigError: As of `map`, or the unit is none of temperature.
        """
        values = self.values(name, nside)
        unit = self._unit(name)
        try:
            return values if unit is None else values * to_kelvin(unit)
        except ValueError as error:
            raise self.refused(f"`{name}` is in {unit}, expected K: {error}") from error

    def polarised(
        self,
        q: str,
        u: str,
        nside: int,
        unit: str,
        frequency: float | None,
        pixels: np.ndarray | None = None,
    ) -> FloatArray:
        """Q and U of two maps, float64, shape (2, npix), in COSMO's sign of U.

        Args:
            q: Name of the map of Q.
            u: Name of the map of U.
            nside: The resolution that they must have.
            unit: uK_CMB or uK_RJ; what the file states is converted, without it is this.
            frequency: GHz, to convert at; None where there is none.
            pixels: RING indices of those that are wanted, shape (pixel,); all without.

        Raises:
            ConfigError: As of `map`, the unit cannot be converted, or POLCCONV is unknown.
        """
        convention = self.stated("polcconv")
        if convention not in ("", "COSMO", "IAU"):
            raise self.refused(
                f"POLCCONV = {convention}, expected COSMO or IAU: which sign U has is not known"
            )
        maps = [self.values(name, nside, pixels) for name in (q, u)]
        for name, values, sign in zip(
            (q, u), maps, (1, -1 if convention == "IAU" else 1), strict=True
        ):
            values *= sign * self._to_microkelvin(name, unit, frequency)
        return np.stack(maps)

    def frequency(self, *names: str) -> float:
        """The frequency, GHz, that stands under the first of `names` that is there.

        Raises:
            ConfigError: There is none, or it is no frequency of microwaves.
        """
        found = {**self.arrays, **self.header}
        name = next((name for name in names if name in found), None)
        if name is None:
            raise self.refused(f"has no `{names[0]}`, the reference frequency in GHz; add it")
        value = found[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self.refused(f"`{name}`: expected one positive frequency in GHz, got {value}")
        if problem := frequency_problem(value):
            raise self.refused(f"`{name}` = {value:g}: {problem}")
        return float(value)

    def _to_microkelvin(self, name: str, unit: str, frequency: float | None) -> float:
        stated = self.unit(name)
        if stated is None:
            return 1.0
        try:
            return to_microkelvin(stated, unit, frequency)
        except ValueError as error:
            raise self.refused(f"`{name}` is in {stated}, expected {unit}: {error}") from error

    def unit(self, name: str) -> str | None:
        """The unit of a polarised map that the file states, in its own words; None for none."""
        stated = self._unit(name) or self.header.get("unit")
        return None if stated is None or str(stated).lower() in _NO_UNIT else str(stated)

    def _unit(self, name: str) -> str | None:
        return self.units.get(self._spelling(name) or name)

    def _spelling(self, name: str) -> str | None:
        return next((s for s in (name, name.upper(), name.lower()) if s in self.arrays), None)


@lru_cache(maxsize=1)
def _nested_places(npix: int) -> np.ndarray:
    return hp.ring2nest(hp.npix2nside(npix), np.arange(npix))


def not_numbers(array: np.ndarray) -> str | None:
    """What an array holds instead of numbers; None where it holds numbers."""
    if array.dtype.kind in "buif":
        return None
    return "Python objects" if array.dtype.hasobject else str(array.dtype)
