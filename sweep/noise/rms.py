"""Noise by maps of its rms, or of its covariance of Q and U, as collaborations hand them out."""

import re
from collections.abc import Sequence

import numpy as np

from sweep.inputs.columns import Columns, not_numbers
from sweep.inputs.units import to_microkelvin
from sweep.noise.base import Root
from sweep.noise.files import of_bands

_RMS = re.compile(r"(.*_)?(rms|sigma|std|stddev)(_.*)?")

_COVARIANCE = ("qq", "qu", "uu")

_SQUARE = re.compile(r"\(?(.+?)\)?\s*(?:\^|\*\*)?\s*2")
"""Units of a covariance: K_CMB^2, (K_CMB)^2, uK**2, Kcmb2."""


def rms_root(
    files: Sequence[Columns], frequency: np.ndarray, nside: int, pixels: np.ndarray
) -> Root:
    """L of the pixels in uK_CMB, shape (band, part, pixel); NaN where it is not known.

    Of every band a map of the rms, that of Q and of U, or three of their covariance, whose names
    begin with QQ, QU and UU (Planck has QQ_COV).

    Args:
        files: one a band, or one that has the rms of all, in their order.
        frequency: of the bands, GHz, at which units are converted.
        nside: HEALPix resolution, which maps must have.
        pixels: RING indices, shape (pixel,).

    Raises:
        ConfigError: a file has not the maps, or no unit of them that is known; or some bands have
            an rms, others a covariance.
    """
    if len(files) == 1 and frequency.size > 1:
        (file,) = files
        names = of_bands(file, frequency.size, 1, re.compile("(?!)"), "rms")
        if len(names) == 1:
            raise file.refused(
                f"has one map, {names[0]}; expected {frequency.size}, one a band in their order, "
                "or a file a band with {band} in noise.path"
            )
        each = zip(names, frequency, strict=True)
        return np.stack([_rms(file, name, nu, nside, pixels) for name, nu in each])
    found = [_of_band(file, nu, nside, pixels) for file, nu in zip(files, frequency, strict=True)]
    if len({len(root) for root in found}) > 1:
        other = next(i for i, root in enumerate(found) if len(root) != len(found[0]))
        raise files[other].refused(
            f"has another kind of map than {files[0].path}: give rms of all bands, or QQ, QU and UU"
        )
    return np.stack(found)


def _of_band(file: Columns, nu: float, nside: int, pixels: np.ndarray) -> np.ndarray:
    there = [n for n, array in file.arrays.items() if not_numbers(array) is None]
    triple = [[n for n in there if n.lower().startswith(begin)] for begin in _COVARIANCE]
    if all(len(names) == 1 for names in triple):
        return _covariance(file, [names[0] for names in triple], nu, nside, pixels)
    (name,) = of_bands(file, 1, 2, _RMS, "rms, or QQ, QU and UU")
    return _rms(file, name, nu, nside, pixels)


def _rms(file: Columns, name: str, nu: float, nside: int, pixels: np.ndarray) -> np.ndarray:
    sigma = file.values(name, nside)[pixels] * _factor(file, name, nu, square=False)
    return np.where(sigma > 0, sigma, np.nan)[None]


def _covariance(
    file: Columns, names: list[str], nu: float, nside: int, pixels: np.ndarray
) -> np.ndarray:
    qq, qu, uu = (
        file.values(name, nside)[pixels] * _factor(file, name, nu, square=True) for name in names
    )
    if file.stated("polcconv") == "IAU":
        qu = -qu
    elif file.stated("polcconv") not in ("", "COSMO"):
        raise file.refused(f"POLCCONV = {file.stated('polcconv')}, expected COSMO or IAU")
    with np.errstate(invalid="ignore", divide="ignore"):
        first = np.sqrt(qq)
        below = qu / first
        root = np.stack([first, below, np.sqrt(uu - below**2)])
    positive = np.isfinite(root).all(axis=0) & (root[0] > 0) & (root[2] > 0)
    return np.where(positive, root, np.nan)


def _factor(file: Columns, name: str, nu: float, square: bool) -> float:
    """To uK_CMB, or to its square."""
    expected = "K_CMB^2" if square else "K_CMB"
    stated = file.unit(name)
    if stated is None:
        raise file.refused(f"states no unit of `{name}`; write one into it, e.g. {expected}")
    match = _SQUARE.fullmatch(stated.strip()) if square else None
    try:
        if square and match is None:
            raise ValueError("that is no square")
        factor = to_microkelvin(match[1] if match else stated, "uK_CMB", nu)
    except ValueError as error:
        raise file.refused(f"`{name}` is in {stated}, expected {expected}: {error}") from error
    return factor**2 if square else factor
