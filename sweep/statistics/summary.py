"""One line an experiment: how its fits ended, and what they say."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.quantities.base import SUFFIXES
from sweep.quantities.table import COLUMNS
from sweep.statistics.dataset import is_usable, labels_of, noisy_part
from sweep.statistics.moments import Moments
from sweep.statistics.suspects import suspects
from sweep.statistics.variance import statistics
from sweep.types import NOT_ATTEMPTED, Status


def summary(ds: xr.Dataset) -> pd.DataFrame:
    """Statistics of every experiment over its noise realisations with a usable fit.

    Args:
        ds: what `sweep.open` returns.

    Returns:
        One row an experiment: the settings that tell experiments apart; the number of
        realisations, usable and unusable ones, and every status that occurs (a recorded noise-free
        fit is not counted); the share of the usable fits that are `certified`: no single cluster
        can go lower; of fits with further starts, `starts_tried`, those of which all starts ended
        in the same minimum, `starts_same`; what `sweep.statistics.suspects` finds; and what
        `sweep.quantities` says has `means`: that of `cmb_variance` (uK^2), say, with its standard
        error, variance and the error of that. NaN where too few fits are usable, see
        `sweep.statistics.variance`, and for `certified` where no fit was scanned.
        `attrs["settings"]` names the columns that are settings.
    """
    ds = ds.assign(status=ds["status"].compute())  # every statistic asks for it
    noisy = noisy_part(ds)
    status = noisy["status"].values
    usable = is_usable(status)
    table = settings_table(noisy)
    table["experiment"] = labels_of(noisy)
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
    for name, column in COLUMNS.items():
        if column.means and name in ds:
            found = statistics(ds, name)
            for mean in column.means:
                table[f"{name}{SUFFIXES[mean]}"] = found[mean].values
    table.attrs["settings"] = settings(noisy)
    return table.set_index("experiment")


def settings_table(ds: xr.Dataset) -> pd.DataFrame:
    """The settings of every experiment, as the summary has them."""
    return pd.DataFrame(
        {key: ds[key].values for key in settings(ds)}, index=range(ds.sizes["experiment"])
    )


def settings(ds: xr.Dataset) -> list[str]:
    """Configuration keys that are coordinates of the experiments, solver and clusters first."""
    names = [
        str(name)
        for name, coord in ds.coords.items()
        if coord.dims == ("experiment",) and name not in ("experiment", "identity")
    ]
    return sorted(names, key=lambda name: (name != "solver", not name.startswith("clusters"), name))


def varying(table: Any, names: list[str]) -> list[str]:
    """Those of the settings `names` that tell the rows of a summary apart.

    Left out is what never differs, and what follows from the choice of its group, as solver.rtol
    may follow from solver, or from the model that has such a parameter. What is not known of an
    imported experiment does not tell it apart.
    """
    imported = table.get("imported.from", pd.Series("", table.index)) != ""

    def rows(name: str) -> Any:
        known = table[name].notna() & (table[name] != "")
        ours = ~imported & (known & ~imported).any()
        return table[known | ours] if name != "imported.program" else table

    differing = [
        name
        for name in names
        if name != "imported.from" and rows(name)[name].nunique(dropna=False) > 1
    ]

    def of_models(name: str) -> bool:
        there = table[name].notna() & (table[name] != "")
        alike = table[name][there].nunique() == 1
        return alike and bool((there.groupby(table["model"]).nunique() == 1).all())

    def follows(name: str) -> bool:
        group = name.split(".")[0]
        if "model" in differing and name != "model" and of_models(name):
            return True
        if group == name or group not in differing:
            return False
        return bool((rows(name).groupby(group)[name].nunique(dropna=False) == 1).all())

    return [name for name in differing if not follows(name)]
