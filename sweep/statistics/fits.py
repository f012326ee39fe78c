"""FITS files of an experiment that healpy and every other HEALPix reader understands."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.paths import refuse_address
from sweep.quantities.base import unit_symbol
from sweep.statistics.curvature import parameter_errors
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import (
    cluster_maps,
    cmb_maps,
    on_pixels,
    parameter_maps,
    residual_maps,
    sphere,
)
from sweep.types import Status

Card = tuple[str, Any, str]
"""Keyword, value and comment of a header."""


class Column(NamedTuple):
    """A column of a file.

    Attributes:
        values: the map, shape (npix,).
        unit: of its values.
        meaning: what it is, in one sentence: its TCOMM.
    """

    values: np.ndarray
    unit: str
    meaning: str


@dataclass(frozen=True)
class _Part:
    """Columns of a file by name, and the cards of its header that are not in every file."""

    columns: dict[str, Column]
    cards: tuple[Card, ...] = ()
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """What `write_fits` wrote, and what the store does not have.

    Attributes:
        files: the files.
        left_out: why, for each file or part of a file that is not there.
    """

    files: list[Path]
    left_out: dict[str, str]


def write_fits(experiment: ExperimentView, realisation: int, folder: str | Path) -> Written:
    """Write the maps of an experiment: RING, Galactic, COSMO, UNSEEN outside the mask.

    `clusters.fits` has the labels of every parameter; `parameters.fits` the fitted parameters of
    one realisation and their standard deviations from the curvature; `cmb.fits` its recovered Q
    and U; `residuals.fits` the mean residual over realisations, the statistical and the total one
    as standard deviation and root mean square over realisations, and, where there is a fit without
    noise, the systematic residual. uK_CMB and K. TCOMM cards say what each column is; cards of
    `residuals.fits` how many realisations were averaged, and the variances of the parts, in which
    there is no noise that a mean has left.

    Args:
        experiment: the experiment.
        realisation: number of the realisation that parameters and CMB are of.
        folder: where to write; made if needed. Files that are there are written over.

    Raises:
        ConfigError: the store has none of them, or a file cannot be written: `folder` is an
            address, say.
    """
    refuse_address("folder", folder)
    parts: dict[str, tuple[str, Callable[[], _Part]]] = {
        "clusters": ("clusters", lambda: _clusters(experiment)),
        "parameters": ("parameters", lambda: _parameters(experiment, realisation)),
        "parameter errors": ("parameters", lambda: _errors(experiment, realisation)),
        "cmb": ("cmb", lambda: _cmb(experiment, realisation)),
        "residuals": ("residuals", lambda: _residuals(experiment)),
    }
    files: dict[str, list[_Part]] = {}
    left_out: dict[str, str] = {}
    for part, (name, made) in parts.items():
        try:
            files[name] = [*files.get(name, []), made()]
        except ConfigError as error:
            left_out[part] = str(error)
    if not files:
        raise ConfigError(next(iter(left_out.values())))
    about: list[Card] = [
        ("POLCCONV", "COSMO", "HEALPix convention of the sign of U"),
        ("EXPERIM", experiment.identity[:16], "experiment of the store"),
    ]
    written = [_write(Path(folder) / f"{name}.fits", f, about) for name, f in files.items()]
    return Written(written, left_out)


def _clusters(experiment: ExperimentView) -> _Part:
    labels = cluster_maps(experiment)
    return _Part(
        {
            p.name.upper(): Column(labels[p.name], "", f"label of the {p.about} cluster, from 0 on")
            for p in experiment.parameters
        }
    )


def _parameters(experiment: ExperimentView, realisation: int) -> _Part:
    fitted = parameter_maps(experiment, realisation)
    columns = {
        p.name.upper(): Column(fitted[p.name], unit_symbol(p.unit), f"fitted {p.about}")
        for p in experiment.parameters
    }
    return _Part(columns, _of_one_fit(experiment, realisation))


def _errors(experiment: ExperimentView, realisation: int) -> _Part:
    errors = on_pixels(experiment, parameter_errors(experiment, realisation))
    meaning = "standard deviation of the {}, from the curvature of the likelihood"
    return _Part(
        {
            f"{p.name}_error".upper(): Column(
                errors[p.name], unit_symbol(p.unit), meaning.format(p.about)
            )
            for p in experiment.parameters
        }
    )


def _cmb(experiment: ExperimentView, realisation: int) -> _Part:
    maps = cmb_maps(experiment, realisation)
    return _Part(_stokes("", maps, "recovered CMB"), _of_one_fit(experiment, realisation))


def _of_one_fit(experiment: ExperimentView, realisation: int) -> tuple[Card, ...]:
    one = experiment.stored.sel(realisation=realisation)
    status = Status(one["status"].item()).name.lower()
    return (
        ("REALISAT", realisation, "number of this realisation; -1: without noise"),
        ("STATUS", status, "how its fit ended"),
    )


def _residuals(experiment: ExperimentView) -> _Part:
    found = residual_maps(experiment)
    count = found.realisations
    mean = f"mean of {count} realisations of recovered minus true CMB, holds 1/{count} of the noise"
    spread = "standard deviation over realisations, n - 1 in the denominator"
    parts = {
        "mean": (found.mean, f"{mean} power"),
        "statistical": (found.statistical, spread),
        "total": (found.total, "root mean square over realisations of recovered minus true CMB"),
    }
    if found.noiseless is not None:
        meaning = "recovered minus true CMB of the fit without noise"
        around = "root mean square over realisations of the difference to the fit without noise"
        parts = {"systematic": (found.noiseless, meaning)} | parts
        parts["statistical"] = (found.statistical, around)
    columns = {}
    for kind, (map_, meaning) in parts.items():
        full = sphere(map_, found.pixels, found.nside)
        columns |= _stokes(kind, full, meaning)
    cards: list[Card] = [
        ("REALISAT", count, "how many realisations were averaged"),
        ("ESTIMATE", found.estimate, "what VARSYST is made from"),
    ]
    cards.extend(
        (f"VAR{kind[:4].upper()}", value, f"uK^2, var Q + var U: {kind}")
        for kind, value in found.variances.items()
        if np.isfinite(value)  # a header holds no NaN
    )
    return _Part(columns, tuple(cards), _ABOUT_VARIANCES[found.noiseless is not None])


_ABOUT_VARIANCES = {
    True: (
        "VARSYST is the variance of the SYSTEMATIC columns, of a fit without noise.",
        "VARSTAT is the mean variance of the differences to them. MEAN is what",
        "realisations have on average: its variance is about VARSYST + VARSTAT/REALISAT.",
    ),
    False: (
        "There is no fit without noise, so no column is the systematic residual alone.",
        "VARSYST is the mean of products of different realisations, and is free of the",
        "noise: the variance of MEAN is VARSYST + VARSTAT/REALISAT. It may be negative.",
    ),
}
"""By whether there is a fit without noise."""


def _stokes(kind: str, maps: np.ndarray, meaning: str) -> dict[str, Column]:
    prefix = f"{kind.upper()}_" if kind else ""
    return {
        f"{prefix}{stokes}_POLARISATION": Column(values, "uK_CMB", f"{stokes}: {meaning}")
        for stokes, values in zip("QU", maps, strict=True)
    }


def _write(path: Path, parts: list[_Part], about: list[Card]) -> Path:
    columns = {name: column for part in parts for name, column in part.columns.items()}
    meanings = [(f"TCOMM{i}", c.meaning) for i, c in enumerate(columns.values(), start=1)]
    comments = [("COMMENT", line) for part in parts for line in part.comments]
    cards = [card for part in parts for card in part.cards]
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hp.write_map(
            str(temporary),
            [column.values for column in columns.values()],
            coord="G",
            column_names=list(columns),
            column_units=[column.unit for column in columns.values()],
            extra_header=[*about, *cards, *meanings, *comments],
            dtype=np.float64,
            overwrite=True,
        )
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
