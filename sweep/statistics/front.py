"""Systematic against statistical residual: which experiments no other beats in both."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.summary import summary
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
        `on_front`, true where no other experiment of the same mask is lower in one part and not
        higher in the other. Only experiments that have both parts; sorted by `systematic`.

    Raises:
        ConfigError: no experiment has a usable fit without noise and one with.
    """
    table: Any = summary(ds)
    noiseless = ds.isel(realisation=ds["realisation"].values == NOISELESS)
    if not noiseless.sizes["realisation"] or "residual_variance" not in ds:
        raise ConfigError("no experiment has a noise-free fit: run with noise.noiseless=true")
    usable = np.isin(noiseless["status"].values[:, 0], [s for s in Status if s.usable])
    systematic = np.where(usable, noiseless["residual_variance"].values[:, 0], np.nan)
    total = statistics(ds, "residual_variance")
    table["systematic"] = systematic
    table["statistical"] = total["mean"].values - systematic
    table["statistical_error"] = total["standard_error"].values
    table = table[np.isfinite(table["statistical"])]
    if table.empty:
        raise ConfigError("no experiment has a usable fit without noise and one with")
    masks = np.asarray(ds["mask.expression"].values)[np.isfinite(systematic - total["mean"].values)]
    parts = table[["systematic", "statistical"]].to_numpy()
    on_front = np.zeros(len(table), bool)
    for mask in np.unique(masks):
        on_front[masks == mask] = unbeaten(parts[masks == mask])
    table["on_front"] = on_front
    return table.sort_values("systematic", kind="stable")


def unbeaten(points: np.ndarray) -> np.ndarray:
    """Which points, shape (point, part), no other point is below in one part and not above in any.

    Returns:
        bool, shape (point,).
    """
    not_above = (points[:, None, :] <= points[None, :, :]).all(axis=-1)
    below = (points[:, None, :] < points[None, :, :]).any(axis=-1)
    return np.logical_not((not_above & below).any(axis=0))
