"""The one reader of npz and FITS input: templates, masks, clusters, and what data come from."""

import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.inputs.partial import lists_pixels, on_whole_sky
from sweep.npz import loaded, reason

Wanted = Callable[[str], bool]
"""Which maps of a file are read, by their names."""

_DAMAGED = (OSError, ValueError, EOFError, TypeError, KeyError, zipfile.BadZipFile, zlib.error)

_FITS = (b"SIMPLE", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # and what astropy unpacks

UNNAMED = "column"
"""What a column of FITS without a name is called, before its number."""

_SYSTEMS = {"C": "celestial", "E": "ecliptic"}


def read_columns(path: str | Path, key: str, wanted: Wanted = lambda name: True) -> Columns:
    """Read maps of an npz file, or of a table of a FITS file.

    What the file is is seen by its content. The header of FITS is that of the table, and for
    what that does not say of the file; of npz its texts and numbers: ORDERING, COORDSYS and
    POLCCONV mean the same in both, and `unit` of npz is that of every polarised map. Without a
    word maps are RING, Galactic and COSMO. Where a file lists its pixels, see `on_whole_sky`.

    Args:
        path: The file.
        key: The setting that names it.
        wanted: Which maps are read, by name. Of a FITS file the first table that has one is
            taken; where none has, every map of the first table is read.

    Raises:
        ConfigError: The file is missing, damaged, of another format, in other coordinates than
            Galactic, or in an unknown order; or the pixels that it lists are none.
    """
    path = Path(path)
    empty = Columns(key, path, {}, {}, {}, False)
    if not path.is_file():
        raise empty.refused("does not exist or is no file")
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith(b"PK"):
            columns = _read_npz(empty, wanted)
        elif start.startswith(_FITS):
            columns = _read_fits(empty, wanted)
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
    return on_whole_sky(_with_order(columns))


def _read_npz(empty: Columns, wanted: Wanted) -> Columns:
    header, arrays = {}, {}
    with loaded(empty.path) as file:
        read = [n for n in file.files if wanted(n)] or file.files
        for name in file.files:
            try:
                array = np.asarray(file[name])
            except ValueError as error:
                if "pickle" not in str(error):
                    raise
                array = np.empty(0, object)  # Python objects: refused if they are asked for
            if array.size == 1:
                header[name.lower()] = array.item()
            elif name in read or lists_pixels(name):
                arrays[name] = array
    return replace(empty, arrays=arrays, header=header)


def _read_fits(empty: Columns, wanted: Wanted) -> Columns:
    from astropy.io import fits  # slow to import, and not needed for npz
    from astropy.utils.exceptions import AstropyWarning

    with (
        warnings.catch_warnings(action="ignore", category=AstropyWarning),  # of cards not asked for
        empty.path.open("rb") as file,  # astropy leaves a damaged one open that it opened itself
        fits.open(file, memmap=False) as hdus,
    ):
        parts: list[Any] = list(hdus)
        tables: list[Any] = [hdu for hdu in parts if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            raise empty.refused("has no FITS table; write maps with healpy.write_map")
        for column, number in ((c, i) for t in tables for i, c in enumerate(t.columns, 1)):
            if column.name is None:  # astropy reads no table with a column without a name
                column.name = f"{UNNAMED}{number}"
        table = next((t for t in tables if any(map(wanted, t.columns.names))), tables[0])
        cards = [*parts[0].header.items(), *table.header.items()]
        header = {k.lower(): v for k, v in cards if isinstance(v, str | int | float)}
        read = [n for n in table.columns.names if wanted(n)] or table.columns.names
        arrays, units = {}, {}
        for column in table.columns:
            if column.name not in read and not lists_pixels(column.name):
                continue
            arrays[column.name] = np.asarray(table.data[column.name]).ravel()
            if column.unit:
                units[column.name] = column.unit
    return replace(empty, arrays=arrays, header=header, units=units)


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


def _with_order(columns: Columns) -> Columns:
    word = columns.stated("ordering")
    if word and not word.startswith(("RING", "NEST")):
        raise columns.refused(f"ORDERING = {word}, expected RING or NESTED: write the maps so")
    return replace(columns, nested=word.startswith("NEST"))
