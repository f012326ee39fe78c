"""One line an experiment: how its fits ended, and what they say."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.statistics.estimators import ESTIMATORS
from sweep.statistics.moments import Moments
from sweep.statistics.suspects import SUSPECT, suspects
from sweep.statistics.variance import is_usable, statistics
from sweep.types import NOT_ATTEMPTED, Status

OF_FITS = ("cmb_variance", "residual_variance", "nll")
"""Metrics that every fit has, and an experiment the mean of."""

OF_SPECTRA = ("r", "bias", "r_upper_68", "r_upper_95", "r_limit_95")
"""Metrics of the residual spectra of an experiment; `bias` is |r|, as residuals have no r."""

METRICS = (*OF_FITS, *OF_SPECTRA)
"""What experiments are ranked by; lower is better."""

_MEANS = ("nll", "iterations", "evaluations", "gradient_norm", "seconds")

RATIO = ("r", "r_minus", "r_plus", "r_upper_68", "r_upper_95", "r_limit_95", "bias")
"""What is known of the tensor-to-scalar ratio, see `sweep.statistics.tensor_ratio`."""

_BY_EITHER = tuple(f"{n}_{e}" for n in (*OF_SPECTRA, "systematic") for e in ESTIMATORS)

STATISTICS = (
    "realisations",
    "usable",
    "unusable",
    *(s.name.lower() for s in Status if s is not Status.PENDING),
    "certified",
    "cmb_variance",
    "cmb_variance_error",
    "cmb_variance_variance",
    "cmb_variance_variance_error",
    "residual_variance",
    "residual_variance_error",
    *_MEANS,
    *(f"{name}_error" for name in _MEANS),
    *RATIO,
    *(f"{name}_error" for name in RATIO),
    *_BY_EITHER,
    *(f"{name}_error" for name in _BY_EITHER),
    *(f"{name}_choosing" for name in METRICS),
    *SUSPECT,
    "starts_same",
    "starts_tried",
    "estimator",
    "context",
    "compared",
    "behind",
    "behind_error",
    "significance",
    "tied",
    "chosen_by",
    "measured_by",
    "runner_up",
    "systematic",
    "systematic_error",
    "statistical",
    "statistical_error",
    "on_front",
    "tried",
    "alone",
)
"""Columns of tables that are not settings; a status has one where it occurs."""


def summary(ds: xr.Dataset) -> pd.DataFrame:
    """Statistics of every experiment over its noise realisations with a usable fit.

    Args:
        ds: what `sweep.open` returns.

    Returns:
        One row an experiment: the settings that tell experiments apart; the number of
        realisations, usable and unusable ones, and every status that occurs (a recorded noise-free
        fit is not counted); the share of the usable fits that are `certified`: no single cluster
        can go lower; of fits with further starts, `starts_tried`, those of which all starts ended
        in the same minimum, `starts_same`; `sweep.statistics.suspects.SUSPECT`; mean, standard
        error, variance and its error of `cmb_variance` (uK^2, uK^2, uK^4, uK^4); mean and standard
        error of `residual_variance` (uK^2); means of `nll`, `iterations`, `evaluations`,
        `gradient_norm` and `seconds`. NaN where too few fits are usable, see
        `sweep.statistics.variance`, and for `certified` where no fit was scanned.
    """
    ds = ds.assign(status=ds["status"].compute())  # every statistic asks for it
    noisy = ds.isel(realisation=ds["realisation"].values >= 0)
    status = noisy["status"].values
    usable = is_usable(status)
    table = pd.DataFrame({key: noisy[key].values for key in settings(noisy)})
    table["experiment"] = [identity[:8] for identity in noisy["identity"].values]
    table["realisations"] = np.sum(status != Status.PENDING, axis=1)
    table["usable"] = np.sum(usable, axis=1)
    table["unusable"] = table["realisations"] - table["usable"]
    for code in Status:
        if code is not Status.PENDING and np.any(status == code):
            table[code.name.lower()] = np.sum(status == code, axis=1)
    scanned = noisy["scan_certified"].values
    attempted = np.any(usable & (scanned != NOT_ATTEMPTED), axis=1)
    table["certified"] = np.where(attempted, Moments.of(scanned == 1, usable).mean, np.nan)
    if "starts_elsewhere" in noisy:
        elsewhere = noisy["starts_elsewhere"].values
        tried = usable & (elsewhere >= 0)
        any_tried = tried.any(axis=1)
        table["starts_same"] = np.where(any_tried, np.sum(tried & (elsewhere == 0), axis=1), np.nan)
        table["starts_tried"] = np.where(any_tried, np.sum(tried, axis=1), np.nan)
    for name, column in suspects(noisy, usable).items():
        table[name] = column
    variance = statistics(ds, "cmb_variance")
    table["cmb_variance"] = variance["mean"].values
    table["cmb_variance_error"] = variance["standard_error"].values
    table["cmb_variance_variance"] = variance["variance"].values
    table["cmb_variance_variance_error"] = variance["variance_error"].values
    if "residual_variance" in ds:
        residual = statistics(ds, "residual_variance")
        table["residual_variance"] = residual["mean"].values
        table["residual_variance_error"] = residual["standard_error"].values
    for name in _MEANS:
        table[name] = statistics(ds, name)["mean"].values
    return table.set_index("experiment")


def settings(ds: xr.Dataset) -> list[str]:
    """Configuration keys that are coordinates of the experiments, solver and clusters first."""
    names = [
        str(name)
        for name, coord in ds.coords.items()
        if coord.dims == ("experiment",) and name not in ("experiment", "identity")
    ]
    return sorted(names, key=lambda name: (name != "solver", not name.startswith("clusters"), name))


def telling(table: Any, names: list[str]) -> list[str]:
    """Those of the settings `names` that tell the rows of a summary apart.

    Left out is what never differs, and what follows from the choice of its group, as solver.rtol
    may follow from solver. What is not known of an imported experiment does not tell it apart.
    """
    imported = table.get("imported.from", pd.Series("", table.index)) != ""

    def rows(name: str) -> Any:
        known = table[name].notna() & (table[name] != "")
        ours = ~imported & (known & ~imported).any()
        return table[known | ours] if name != "imported.program" else table

    varying = [
        name
        for name in names
        if name != "imported.from" and rows(name)[name].nunique(dropna=False) > 1
    ]

    def follows(name: str) -> bool:
        group = name.split(".")[0]
        if group == name or group not in varying:
            return False
        return bool((rows(name).groupby(group)[name].nunique(dropna=False) == 1).all())

    return [name for name in varying if not follows(name)]
