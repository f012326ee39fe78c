"""FITS files of an experiment that healpy and every other HEALPix reader understands."""

import os
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Written:
    """What `write_fits` wrote, and what the store does not have.

    Attributes:
        files: the files.
        left_out: why, for each file or part of a file that is not there.
    """

    files: list[Path]
    left_out: dict[str, str]


def write_fits(ds: xr.Dataset, experiment: int, realisation: int, folder: str | Path) -> Written:
    """Write the maps of an experiment: RING, Galactic, COSMO, UNSEEN outside the mask.

    `clusters.fits` has the labels of every parameter; `parameters.fits` the fitted parameters of
    one realisation and their standard deviations from the curvature; `cmb.fits` its recovered Q
    and U; `residuals.fits` the systematic residual (of the noise-free fit, else the mean), the mean
    over realisations, and the statistical and total ones as standard deviation and root mean
    square over realisations. uK_CMB and K.

    Args:
        ds: what `sweep.open` returns.
        experiment: its position in `ds`.
        realisation: number of the realisation that parameters and CMB are of.
        folder: where to write; made if needed. Files that are there are written over.

    Raises:
        ConfigError: the store has none of them, or a file cannot be written.
    """
    parts: dict[str, tuple[str, Callable[[], Columns]]] = {
        "clusters": ("clusters", lambda: _clusters(ds, experiment)),
        "parameters": ("parameters", lambda: _parameters(ds, experiment, realisation)),
        "parameter errors": ("parameters", lambda: _errors(ds, experiment, realisation)),
        "cmb": ("cmb", lambda: _stokes("", cmb_maps(ds, experiment, realisation))),
        "residuals": ("residuals", lambda: _residuals(ds, experiment)),
    }
    files: dict[str, Columns] = {}
    left_out: dict[str, str] = {}
    for part, (name, columns) in parts.items():
        try:
            files[name] = files.get(name, {}) | columns()
        except ConfigError as error:
            left_out[part] = str(error)
    if not files:
        raise ConfigError(next(iter(left_out.values())))
    about = [
        ("POLCCONV", "COSMO", "HEALPix convention of the sign of U"),
        ("EXPERIM", str(ds["identity"].values[experiment])[:16], "experiment of the store"),
        ("REALISAT", realisation, "number of the realisation"),
    ]
    written = [_write(Path(folder) / f"{name}.fits", c, about) for name, c in files.items()]
    return Written(written, left_out)


def _clusters(ds: xr.Dataset, experiment: int) -> Columns:
    return {p.upper(): (m, "") for p, m in cluster_maps(ds, experiment).items()}


def _parameters(ds: xr.Dataset, experiment: int, realisation: int) -> Columns:
    fitted = parameter_maps(ds, experiment, realisation)
    return {p.upper(): (fitted[p], _UNITS[p]) for p in PARAMETERS}


def _errors(ds: xr.Dataset, experiment: int, realisation: int) -> Columns:
    errors = on_pixels(ds, experiment, parameter_errors(ds, experiment, realisation))
    return {f"{p}_error".upper(): (errors[p], _UNITS[p]) for p in PARAMETERS}


def _residuals(ds: xr.Dataset, experiment: int) -> Columns:
    found = residual_maps(ds, experiment)
    kinds = ("systematic", "mean", "statistical", "total")
    maps = {kind: sphere(getattr(found, kind), found.pixels, found.nside) for kind in kinds}
    return {k: v for kind, m in maps.items() for k, v in _stokes(kind, m).items()}


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
