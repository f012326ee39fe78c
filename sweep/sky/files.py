"""Full-sky columns from npz and FITS files: one reader for templates, masks and clusters."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import healpy as hp
import numpy as np
from astropy.io import fits

from sweep.errors import ConfigError
from sweep.npz import loaded

_DAMAGED = (OSError, ValueError, EOFError, TypeError, KeyError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Columns:
    """Named arrays of one file.

    Attributes:
        path: Where they came from.
        arrays: By name: maps (npix,) in RING order, and scalars.
        units: Units that the file states, by name of the map.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    units: dict[str, str]

    def require(self, name: str) -> np.ndarray:
        """The array `name`, in upper or lower case, which FITS does not tell apart.

        Raises:
            ConfigError: The file does not have it.
        """
        for spelling in (name, name.upper(), name.lower()):
            if spelling in self.arrays:
                return self.arrays[spelling]
        raise ConfigError(f"{self.path} has no `{name}`; it has {', '.join(self.arrays)}")


def read_columns(path: str | Path) -> Columns:
    """Read every column of an npz file, or of the first table of a FITS file.

    npz: RING order; an optional key `unit` holds for every map with a unit. FITS: ORDERING
    is honoured, units are in TUNIT, numbers in the table's header become scalars with names
    in lower case.

    Raises:
        ConfigError: The file is missing, damaged, of another format, holds Python objects,
            or is a FITS map of part of the sky.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path} does not exist or is no file")
    try:
        if path.suffix == ".npz":
            return _read_npz(path)
        return _read_fits(path)
    except ConfigError:
        raise
    except _DAMAGED as error:
        raise ConfigError(f"{path} is no readable npz or FITS file: {error}") from error


def check_nside_of(name: str, array: np.ndarray, nside: int) -> None:
    """Check that a map is a HEALPix map of the resolution asked for.

    Raises:
        ConfigError: It is not one-dimensional, of no HEALPix size, or of another nside.
    """
    if array.ndim != 1 or not hp.isnpixok(array.size):
        size = f"{array.size:,}" if array.ndim == 1 else f"{array.shape}"
        raise ConfigError(f"`{name}`: {size} pixels is no HEALPix size (12 nside^2)")
    if hp.npix2nside(array.size) != nside:
        raise ConfigError(
            f"`{name}`: map has nside {hp.npix2nside(array.size)}, config {nside}; "
            "set sky.nside to the map's or regrade the map"
        )


def _read_npz(path: Path) -> Columns:
    with loaded(path) as file:
        arrays = {name: file[name] for name in file.files}
    unit = str(arrays.pop("unit")) if "unit" in arrays else None
    maps = [name for name, array in arrays.items() if array.ndim]
    return Columns(path, arrays, {name: unit for name in maps} if unit is not None else {})


def _read_fits(path: Path) -> Columns:
    with fits.open(path, memmap=False) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            raise ConfigError(f"{path} has no FITS table; write maps with healpy.write_map")
        table = tables[0]
        header = table.header
        if header.get("INDXSCHM", "IMPLICIT") == "EXPLICIT" or header.get("OBJECT") == "PARTIAL":
            raise ConfigError(f"{path} is a map of part of the sky; write the full sky")
        nested = str(header.get("ORDERING", "RING")).startswith("NEST")
        arrays: dict[str, np.ndarray] = {}
        units: dict[str, str] = {}
        for index, name in enumerate(table.data.dtype.names or (), start=1):
            array = np.asarray(table.data[name]).ravel()
            array = array.astype(array.dtype.newbyteorder("="))
            if nested and hp.isnpixok(array.size):
                array = array[hp.ring2nest(hp.npix2nside(array.size), np.arange(array.size))]
            arrays[name] = array
            unit = header.get(f"TUNIT{index}")
            if unit:
                units[name] = str(unit)
        scalars = {
            key.lower(): np.asarray(value)
            for key, value in header.items()
            if isinstance(value, int | float)
        }
    return Columns(path, scalars | arrays, units)
