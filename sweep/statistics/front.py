"""Systematic against statistical residual: which experiments no other beats in both."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.contexts import contexts_of
from sweep.statistics.summary import settings, summary
from sweep.statistics.variance import statistics
from sweep.store import NOISELESS
from sweep.types import Status


def front(ds: xr.Dataset) -> pd.DataFrame:
    """The two parts of the residual variance of every experiment, in uK^2.

    Few clusters leave foregrounds in the CMB (systematic), many let noise in (statistical). What
    is best depends on what one is after, but only what lies on the front can be.

    Args:
        ds: what `sweep.open` returns.

    Returns:
        `summary` with `systematic`, var Q + var U of the residual of the noise-free fit;
        `statistical`, what realisations have more on average, with `statistical_error`; and
        `on_front`, true where no other experiment of the same context (sky, instrument, noise and
        mask) is lower in one part and not higher in the other. Only experiments that have both
        parts; sorted by `systematic`. With r_i = s + n_i, `statistical` holds the mean of
        2 cov(s, n_i) beside that of var n_i; `sweep.statistics.maps` has var n_i alone.

    Raises:
        ConfigError: no experiment has a usable fit without noise and one with.
    """
    table: Any = summary(ds)
    contexts = contexts_of(table, settings(ds))
    noiseless = ds.isel(realisation=ds["realisation"].values == NOISELESS)
    if not noiseless.sizes["realisation"] or "residual_variance" not in ds:
        raise ConfigError("no experiment has a noise-free fit: run with noise.noiseless=true")
    usable = np.isin(noiseless["status"].values[:, 0], [s for s in Status if s.usable])
    systematic = np.where(usable, noiseless["residual_variance"].values[:, 0], np.nan)
    total = statistics(ds, "residual_variance")
    table["systematic"] = systematic
    table["statistical"] = total["mean"].values - systematic
    table["statistical_error"] = total["standard_error"].values
    parts = table[["systematic", "statistical"]].to_numpy()
    there = np.isfinite(parts).all(axis=1)
    if not there.any():
        raise ConfigError("no experiment has a usable fit without noise and one with")
    on_front = np.zeros(len(table), bool)
    for context in contexts:
        members = np.array(context.members)[there[context.members]]
        on_front[members] = unbeaten(parts[members])
    table["on_front"] = on_front
    return table[there].sort_values("systematic", kind="stable")


def unbeaten(points: np.ndarray) -> np.ndarray:
    """Which points, shape (point, 2), no other is below in one part and not above in the other.

    Returns:
        bool, shape (point,).
    """
    ascending, own = np.unique(points, axis=0, return_inverse=True)
    second = ascending[:, 1]
    lowest_before = np.minimum.accumulate(np.concatenate([[np.inf], second]))[:-1]
    return (second < lowest_before)[own.ravel()]
