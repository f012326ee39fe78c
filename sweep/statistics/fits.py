"""FITS files of an experiment that healpy and every other HEALPix reader understands."""

import os
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.curvature import parameter_errors
from sweep.statistics.maps import (
    cluster_maps,
    cmb_maps,
    on_pixels,
    parameter_maps,
    residual_maps,
    sphere,
)
from sweep.types import PARAMETERS

_UNITS = {"beta_dust": "", "temp_dust": "K", "beta_pl": ""}

Columns = dict[str, tuple[np.ndarray, str]]
"""A full-sky map and its unit by the name of its column."""


def write_fits(ds: xr.Dataset, experiment: int, realisation: int, folder: str | Path) -> list[Path]:
    """Write the maps of an experiment: RING, Galactic, COSMO, UNSEEN outside the mask.

    `clusters.fits` has the labels of every parameter; `parameters.fits` the fitted parameters of
    one realisation and their standard deviations from the curvature; `cmb.fits` its recovered Q
    and U; `residuals.fits` the systematic residual, and the statistical and total ones as standard
    deviation and root mean square over realisations. uK_CMB and K.

    Args:
        ds: what `sweep.open` returns.
        experiment: its position in `ds`.
        realisation: number of the realisation that parameters and CMB are of.
        folder: where to write; made if needed. Files that are there are written over.

    Returns:
        The files.

    Raises:
        ConfigError: as `sweep.statistics.maps`, or a file cannot be written.
    """
    errors = on_pixels(ds, experiment, parameter_errors(ds, experiment, realisation))
    fitted = parameter_maps(ds, experiment, realisation)
    residuals = residual_maps(ds, experiment)
    kinds = {
        f"{kind}": sphere(getattr(residuals, kind), residuals.pixels, residuals.nside)
        for kind in ("systematic", "statistical", "total")
    }
    files: dict[str, Columns] = {
        "clusters": {p.upper(): (m, "") for p, m in cluster_maps(ds, experiment).items()},
        "parameters": {
            f"{p}{suffix}".upper(): (maps[p], _UNITS[p])
            for suffix, maps in (("", fitted), ("_error", errors))
            for p in PARAMETERS
        },
        "cmb": _stokes("", cmb_maps(ds, experiment, realisation)),
        "residuals": {k: v for kind, m in kinds.items() for k, v in _stokes(kind, m).items()},
    }
    about = [
        ("POLCCONV", "COSMO", "HEALPix convention of the sign of U"),
        ("EXPERIM", str(ds["identity"].values[experiment])[:16], "experiment of the store"),
        ("REALISAT", realisation, "number of the realisation"),
    ]
    return [_write(Path(folder) / f"{name}.fits", c, about) for name, c in files.items()]


def _stokes(kind: str, maps: np.ndarray) -> Columns:
    prefix = f"{kind.upper()}_" if kind else ""
    names = (f"{prefix}Q_POLARISATION", f"{prefix}U_POLARISATION")
    return {name: (values, "uK_CMB") for name, values in zip(names, maps, strict=True)}


def _write(path: Path, columns: Columns, about: list[tuple[Any, ...]]) -> Path:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hp.write_map(
            str(temporary),
            [values for values, _ in columns.values()],
            coord="G",
            column_names=list(columns),
            column_units=[unit for _, unit in columns.values()],
            extra_header=about,
            dtype=np.float64,
            overwrite=True,
        )
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
