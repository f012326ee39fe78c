"""Which experiments are ranked, and on which realisations they are compared."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from sweep.errors import ConfigError
from sweep.statistics.dataset import imported, is_usable, noise_free
from sweep.types import Status

if TYPE_CHECKING:
    import xarray as xr

CONVERGED = 0.9
"""Share of its recorded fits with noise that must have converged for an experiment to be ranked."""

APART = "too few realisations in common with the others"
"""Why an experiment is left out that would leave the others nothing to be compared on."""


ROUNDING = {"nll": 1e-12}
"""Relative differences of a metric that are rounding: such experiments are tied."""

ROUNDING_USUAL = 1e-7
"""Of other metrics: coefficients are kept in single precision, and solvers stop at about 1e-8."""


def converged_share(ds: "xr.Dataset") -> np.ndarray:
    """Converged fits over recorded ones, without the noise-free fit, shape (experiment,).

    NaN where nothing is recorded, and for imported experiments: their files do not say it.
    """
    status = ds["status"].values[:, ds["realisation"].values >= 0]
    recorded = np.count_nonzero(status != Status.PENDING, axis=1)
    converged = np.count_nonzero(status == Status.CONVERGED, axis=1)
    with np.errstate(invalid="ignore"):
        share = converged / np.where(recorded > 0, recorded, np.nan)
    return np.where(imported(ds), np.nan, share)


def rankable(ds: "xr.Dataset", converged: float, left_out: Counter[str]) -> np.ndarray:
    """Which experiments have a usable fit with noise, and converged often enough to be ranked.

    Args:
        ds: what `sweep.open` returns.
        converged: the least share, see `converged_share`; 0 lets all in.
        left_out: counts the others by reason.

    Returns:
        bool, shape (experiment,).

    Raises:
        ConfigError: `converged` is no share.
    """
    if not 0 <= converged <= 1:
        raise ConfigError(f"converged={converged:g}: expected a share from 0 to 1, e.g. 0.9")
    status = ds["status"].values[:, ds["realisation"].values >= 0]
    usable = is_usable(status).any(axis=1)
    enough = ~(converged_share(ds) < converged)
    for reason, count in (
        ("no usable fit", np.count_nonzero(~usable)),
        (below(converged), np.count_nonzero(usable & ~enough)),
    ):
        if count:
            left_out[reason] += int(count)
    return usable & enough


def with_realisations(ds: "xr.Dataset", least: int | None) -> tuple["xr.Dataset", list[str]]:
    """Experiments with at least so many usable realisations, and a line where others are left out.

    Raises:
        ConfigError: none has so many.
    """
    if least is None:
        return ds, []
    status = ds["status"].values[:, ds["realisation"].values >= 0]
    counts = np.count_nonzero(is_usable(status), axis=1)
    enough = np.flatnonzero(counts >= least)
    if not enough.size:
        most = int(counts.max(initial=0))
        raise ConfigError(
            f"no experiment has {least} usable realisations, the most that one has are {most}"
        )
    others = len(counts) - len(enough)
    if not others:
        return ds, []
    return ds.isel(experiment=enough), [
        f"left out: {others} (fewer than {least} usable realisations)"
    ]


def below(converged: float) -> str:
    """Why an experiment is left out of which too few fits converged."""
    share = f"{100 * converged:g} %"
    return f"fewer than {share} of the fits converged; `best --unconverged` ranks them too"


def in_common(has: np.ndarray, needed: int) -> tuple[np.ndarray, np.ndarray]:
    """Experiments that have at least so many realisations in common, and these.

    Where all do not, those are dropped first whose realisations the fewest others have.

    Args:
        has: which experiment has which realisation, bool, shape (experiment, realisation).
        needed: how many they must have in common.

    Returns:
        bool, shape (experiment,), and bool, shape (realisation,).
    """
    kept = np.count_nonzero(has, axis=1) >= needed
    popularity = has @ np.count_nonzero(has, axis=0)
    # of equal ones the last goes first
    order = [i for i in np.lexsort((-np.arange(len(has)), popularity)) if kept[i]]
    counts = np.count_nonzero(has[kept], axis=0)
    left = len(order)
    for i in order:
        if np.count_nonzero(counts == left) >= needed:
            break
        kept[i] = False
        counts = counts - has[i]
        left -= 1
    return kept, (counts == left) & bool(left)


def noise_free_ranks(ds: "xr.Dataset", converged: float) -> np.ndarray:
    """Of which experiments the noise-free fit may be compared, bool, shape (experiment,).

    It must have converged, unless an import does not say it or `converged` is 0.
    """
    ended = noise_free(ds, "status", Status.PENDING)
    return (ended == Status.CONVERGED) | imported(ds) | (converged == 0)
