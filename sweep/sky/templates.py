"""A sky from a file of templates."""

from pathlib import Path

import numpy as np

from sweep.errors import ConfigError
from sweep.sky.base import ParametricForegrounds, Sky
from sweep.sky.files import Columns, check_nside_of, read_columns
from sweep.units import FloatArray

MICRO_KELVIN = ("uK", "muK", "microK", "µK", "μK")
"""How a unit in uK may start; what follows (_CMB, _RJ) is fixed by the name of the map."""

SMALLEST_RMS = 1e-3
"""uK. Polarised maps of CMB, dust and synchrotron have an rms of 0.1 to 100 uK at their
reference frequencies; in K they would be below 1e-4."""


def template_sky(path: str | Path, nside: int) -> Sky:
    """Read a sky from npz or FITS.

    Maps, RING in npz, full sky, Galactic, COSMO: `dust_q`, `dust_u` (uK_RJ at `dust_nu0`),
    `synchrotron_q`, `synchrotron_u` (uK_RJ at `synchrotron_nu0`), `beta_dust`, `temp_dust`
    (K), `beta_pl`, `cmb_q`, `cmb_u` (uK_CMB). Reference frequencies in GHz are scalars of
    npz, header keywords of FITS (`SYNC_NU0` for synchrotron). UNSEEN pixels become NaN;
    `check_finite` tells whether the mask meets any.

    Args:
        path: The file.
        nside: The resolution that the file must have.

    Returns:
        The sky, in float64.

    Raises:
        ConfigError: The file or a key is missing, a map is of another size or resolution,
            is not in uK, or a reference frequency is not positive.
    """
    columns = read_columns(path)
    model = ParametricForegrounds(
        dust=_polarised(columns, "dust", nside),
        synchrotron=_polarised(columns, "synchrotron", nside),
        dust_nu0=_frequency(columns, "dust_nu0"),
        synchrotron_nu0=_frequency(columns, "synchrotron_nu0", "sync_nu0"),
        beta_dust=_map(columns, "beta_dust", nside),
        temp_dust=_map(columns, "temp_dust", nside),
        beta_pl=_map(columns, "beta_pl", nside),
    )
    return Sky(nside=nside, cmb=_polarised(columns, "cmb", nside), model=model)


def _polarised(columns: Columns, component: str, nside: int) -> FloatArray:
    names = [f"{component}_q", f"{component}_u"]
    maps = np.stack([_map(columns, name, nside) for name in names])
    for name in names:
        unit = columns.units.get(name)
        if unit is not None and not unit.strip().startswith(MICRO_KELVIN):
            raise ConfigError(f"`{name}` is in {unit}, expected uK; convert the map")
    finite = maps[np.isfinite(maps)]
    rms = np.sqrt(np.mean(finite**2)) if finite.size else 0.0
    if 0 < rms < SMALLEST_RMS:
        raise ConfigError(
            f"`{names[0]}`, `{names[1]}` have an rms of {rms:.1e}: looks like K, expected uK; "
            "multiply by 1e6"
        )
    return maps


def _map(columns: Columns, name: str, nside: int) -> FloatArray:
    array = columns.require(name)
    check_nside_of(name, array, nside)
    try:
        array = array.astype(np.float64)
    except ValueError as error:
        raise ConfigError(f"`{name}`: expected numbers, got {array.dtype}") from error
    # healpy.UNSEEN, -1.6375e30, survives a trip through float32 only roughly.
    return np.where(array < -1e30, np.nan, array)


def _frequency(columns: Columns, name: str, keyword: str | None = None) -> float:
    if keyword in columns.arrays:
        name = keyword
    value = columns.require(name)
    if value.size != 1 or value.dtype.kind not in "iuf" or not 0 < float(value.item()) < np.inf:
        raise ConfigError(f"`{name}`: expected one positive frequency in GHz, got {value}")
    return float(value.item())
