"""The one reader of npz and FITS input: templates, masks, clusters, and what data come from."""

import warnings
import zipfile
import zlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.npz import loaded, reason

_DAMAGED = (OSError, ValueError, EOFError, TypeError, KeyError, zipfile.BadZipFile, zlib.error)

_FITS = (b"SIMPLE", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # and what astropy unpacks

_SYSTEMS = {"C": "celestial", "E": "ecliptic"}


def read_columns(path: str | Path, key: str) -> Columns:
    """Read every map of an npz file, or of the first table of a FITS file.

    What the file is is seen by its content. The header of FITS is that of the table, and for
    what that does not say of the file; of npz its texts and numbers: ORDERING, COORDSYS and
    POLCCONV mean the same in both, and `unit` of npz is that of every polarised map. Without a
    word maps are RING, Galactic and COSMO.

    Args:
        path: The file.
        key: The setting that names it.

    Raises:
        ConfigError: The file is missing, damaged, of another format, a map of part of the sky,
            in other coordinates than Galactic, or in an unknown order.
    """
    path = Path(path)
    empty = Columns(key, path, {}, {}, {})
    if not path.is_file():
        raise empty.refused("does not exist or is no file")
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith(b"PK"):
            columns = _read_npz(empty)
        elif start.startswith(_FITS):
            columns = _read_fits(empty)
        elif start.startswith(b"\x93NUMPY"):
            raise empty.refused("is a single array; name it: numpy.savez(path, NAME=array)")
        else:
            raise empty.refused(
                f"is no readable npz or FITS file, it begins with {start!r}; write npz by "
                "numpy.savez or FITS by healpy.write_map"
            )
    except ConfigError:
        raise
    except _DAMAGED as error:
        raise empty.refused(
            f"is no readable npz or FITS file: {reason(error)}; restore a copy"
        ) from error
    _check_coordinates(columns)
    return _in_ring_order(columns)


def _read_npz(empty: Columns) -> Columns:
    header, arrays = {}, {}
    with loaded(empty.path) as file:
        for name in file.files:
            try:
                array = np.asarray(file[name])
            except ValueError as error:
                if "pickle" not in str(error):
                    raise
                array = np.empty(0, object)  # Python objects: refused if they are asked for
            if array.size == 1:
                header[name.lower()] = array.item()
            else:
                arrays[name] = array
    return replace(empty, arrays=arrays, header=header)


def _read_fits(empty: Columns) -> Columns:
    from astropy.io import fits  # slow to import, and not needed for npz
    from astropy.utils.exceptions import AstropyWarning

    with (
        warnings.catch_warnings(action="ignore", category=AstropyWarning),  # of cards not asked for
        empty.path.open("rb") as file,  # astropy leaves a damaged one open that it opened itself
        fits.open(file, memmap=False) as hdus,
    ):
        parts: list[Any] = list(hdus)
        table = next((hdu for hdu in parts if isinstance(hdu, fits.BinTableHDU)), None)
        if table is None:
            raise empty.refused("has no FITS table; write maps with healpy.write_map")
        cards = [*parts[0].header.items(), *table.header.items()]
        header = {k.lower(): v for k, v in cards if isinstance(v, str | int | float)}
        columns = replace(empty, header=header)
        if columns.stated("indxschm") == "EXPLICIT" or columns.stated("object") == "PARTIAL":
            raise empty.refused("is a map of part of the sky; write the full sky")
        arrays, units = {}, {}
        for column in table.columns or ():
            array = np.asarray(table.data[column.name]).ravel()
            arrays[column.name] = array.astype(array.dtype.newbyteorder("="))
            if column.unit:
                units[column.name] = column.unit
    return replace(columns, arrays=arrays, units=units)


def _check_coordinates(columns: Columns) -> None:
    for name in ("coordsys", "skycoord"):  # the second is WMAP's
        word = columns.stated(name)
        if word and not word.startswith("G"):
            system = "C" if word.startswith(("C", "EQ", "ICRS", "FK", "J2000")) else word[0]
            known = f" ({_SYSTEMS[system]})" if system in _SYSTEMS else ""
            turn = f"healpy.Rotator(coord='{system}G')" if known else "healpy.Rotator"
            raise columns.refused(
                f"{name.upper()} = {word}{known}, expected G (Galactic): turn the maps by {turn}"
            )


def _in_ring_order(columns: Columns) -> Columns:
    word = columns.stated("ordering")
    if not word or word.startswith("RING"):
        return columns
    if not word.startswith("NEST"):
        raise columns.refused(f"ORDERING = {word}, expected RING or NESTED: write the maps so")
    return replace(
        columns,
        arrays={
            name: array[_nested_places(array.size)]
            if array.ndim == 1 and hp.isnpixok(array.size)
            else array
            for name, array in columns.arrays.items()
        },
    )


@lru_cache(maxsize=1)
def _nested_places(npix: int) -> np.ndarray:
    return hp.ring2nest(hp.npix2nside(npix), np.arange(npix))
