"""Q and U of a map of the sky, whatever its file calls them, in uK_CMB."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sweep.inputs.columns import Columns
from sweep.inputs.read import UNNAMED, read_columns
from sweep.inputs.units import to_microkelvin
from sweep.units import FloatArray

_NAME = re.compile(
    r"(?:stokes_|pol_|polari[sz]ation_|cmb_)?([qu])(?:_(?:stokes|pol|polari[sz]ation|cmb))?"
)
"""Of Q and U in lower case: `healpy.write_map` has Q_POLARISATION, IDL HEALPix Q-POLARISATION,
Planck Q_STOKES."""

_SAME = 1e-9


def read_stokes(
    path: str | Path,
    key: str,
    nside: int,
    frequency: float | None,
    unit: str | None = None,
    columns: Sequence[str] = (),
    pixels: np.ndarray | None = None,
) -> FloatArray:
    """Q and U of npz or FITS: I, hits and whatever else is in the file is not looked at.

    Columns Q and U by any of their usual names; FITS without names, or one array of npz of shape
    (2, npix) or (3, npix), as Q, U or I, Q, U. Order, coordinates, a part of the sky and the sign
    of U as `read_columns` and `Columns.polarised` have them.

    Args:
        path: The file.
        key: The setting that names it, `sky.path`; `sky.unit` and `sky.columns` are named in
            advice.
        nside: The resolution that it must have.
        frequency: Of the band, GHz, at which K_RJ and MJy/sr become K_CMB; None where there is
            none.
        unit: That of files that state none.
        columns: Names of Q and of U, where they are none of the usual.
        pixels: RING indices of those that are wanted, shape (pixel,); all without.

    Returns:
        uK_CMB, float64, RING, Galactic, COSMO, shape (2, npix) or (2, pixel); NaN where nothing was
        observed.

    Raises:
        ConfigError: As of `read_columns` and `Columns.polarised`; Q and U cannot be told; or there
            is no unit, or the file states another than `unit`.
    """
    group = key.rpartition(".")[0]
    found = read_columns(path, key, lambda name: name in columns or _stokes(name) is not None)
    found = _split(found) if not columns else found
    q, u = columns or _pair(found, f"{group}.columns")
    found = _with_unit(found, (q, u), unit, f"{group}.unit", frequency)
    return found.polarised(q, u, nside, "uK_CMB", frequency, pixels)


def _stokes(name: str) -> str | None:
    """`q` or `u` where a name is that of one of them."""
    match = _NAME.fullmatch(re.sub(r"[-\s.]+", "_", name.strip().lower()))
    return match[1] if match else None


def _split(columns: Columns) -> Columns:
    """A file that holds one array, (2, npix) or (3, npix), as one of Q and U."""
    if len(columns.arrays) != 1:
        return columns
    (array,) = columns.arrays.values()
    if array.ndim != 2 or len(array) not in (2, 3):
        return columns
    return replace(columns, arrays={"q": array[-2], "u": array[-1]})


def _pair(columns: Columns, setting: str) -> tuple[str, str]:
    """The names of Q and of U."""
    names = list(columns.arrays)
    named = [[n for n in names if _stokes(n) == stokes] for stokes in "qu"]
    if all(len(found) == 1 for found in named):
        return named[0][0], named[1][0]
    if len(names) in (2, 3) and all(n.startswith(UNNAMED) for n in names):
        return names[-2], names[-1]
    several = " one" if any(len(found) > 1 for found in named) else ""
    raise columns.refused(
        f"has no{several} Q and{several} U by name among {', '.join(names) or 'no map'}; "
        f"choose by {setting}=[Q,U]"
    )


def _with_unit(
    columns: Columns,
    names: Sequence[str],
    unit: str | None,
    setting: str,
    frequency: float | None,
) -> Columns:
    """The file with `unit` where it states none that is known."""
    for name in names:
        stated = columns.unit(name)
        if unit is None:
            if stated is None:
                raise columns.refused(
                    f"states no unit of `{name}`; say it by {setting}=K_CMB (or mK_CMB, uK_CMB, "
                    "MJy/sr)"
                )
            continue
        factor = None if stated is None else _factor(stated, frequency)
        if factor is not None and not np.isclose(factor, _factor(unit, frequency) or 0, rtol=_SAME):
            raise columns.refused(
                f"`{name}` is in {stated}, {setting} = {unit}; leave {setting} out, or mend the "
                "file"
            )
    return columns if unit is None else replace(columns, units=dict.fromkeys(names, unit))


def _factor(unit: str, frequency: float | None) -> float | None:
    """To uK_CMB; None where there is none, which is refused with its reason where it is used."""
    try:
        return to_microkelvin(unit, "uK_CMB", frequency)
    except ValueError:
        return None
