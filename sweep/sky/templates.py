"""A sky from a file of templates."""

from pathlib import Path

import numpy as np

from sweep.inputs.columns import Columns
from sweep.inputs.read import read_columns
from sweep.sky.base import ParametricForegrounds, Sky
from sweep.units import FloatArray

SMALLEST_RMS = 1e-3
"""uK. Polarised maps of CMB, dust and synchrotron have an rms of 0.1 to 100 uK at their
reference frequencies; in K they would be below 1e-4."""


def template_sky(path: str | Path, nside: int) -> Sky:
    """Read a sky from npz or FITS.

    Maps of the full sky, as `read_columns` reads them: `dust_q`, `dust_u` (uK_RJ at `dust_nu0`),
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
        ConfigError: The file or a key is missing, a map is of another size or resolution, or in
            a unit that cannot be converted, or a reference frequency is none of 1 to 3000 GHz.
    """
    columns = read_columns(path, "sky.path")
    dust_nu0 = columns.frequency("dust_nu0")
    synchrotron_nu0 = columns.frequency("synchrotron_nu0", "sync_nu0")
    model = ParametricForegrounds(
        dust=_polarised(columns, "dust", nside, "uK_RJ", dust_nu0),
        synchrotron=_polarised(columns, "synchrotron", nside, "uK_RJ", synchrotron_nu0),
        dust_nu0=dust_nu0,
        synchrotron_nu0=synchrotron_nu0,
        beta_dust=columns.values("beta_dust", nside),
        temp_dust=columns.temperature("temp_dust", nside),
        beta_pl=columns.values("beta_pl", nside),
    )
    cmb = _polarised(columns, "cmb", nside, "uK_CMB", None)
    return Sky(nside=nside, cmb=cmb, model=model, drawn=None)


def _polarised(
    columns: Columns, component: str, nside: int, unit: str, frequency: float | None
) -> FloatArray:
    q, u = f"{component}_q", f"{component}_u"
    maps = columns.polarised(q, u, nside, unit, frequency)
    finite = maps[np.isfinite(maps)]
    rms = np.sqrt(np.mean(finite**2)) if finite.size else 0.0
    if 0 < rms < SMALLEST_RMS:
        raise columns.refused(
            f"`{q}`, `{u}` have an rms of {rms:.1e}: looks like K, expected uK; "
            "multiply by 1e6, or state the unit"
        )
    return maps
