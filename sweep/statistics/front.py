"""The Pareto front of systematic and statistical residual: what nothing beats in both."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NEEDED, Estimator
from sweep.statistics.candidates import APART, CONVERGED, in_common, noise_free_ranks, rankable
from sweep.statistics.common_variance import Shares, covariance_of_units, shares
from sweep.statistics.comparison_groups import comparison_groups
from sweep.statistics.dataset import is_usable, noise_free
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.moments import Moments
from sweep.statistics.pairs import antithetic, by_pair
from sweep.statistics.summary import settings, summary
from sweep.types import Status

_ADVICE = {
    "cross": "two converged realisations, and store.parameters or store.maps",
    "noise_free": "a noise-free fit (noise.noiseless=true) and a converged realisation",
}


def front(
    ds: xr.Dataset,
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """The two parts of the residual variance of every experiment, in uK^2.

    Few clusters leave foregrounds in the CMB (systematic), many let noise in (statistical). What is
    best depends on what one is after, but only what lies on the Pareto front can be. Experiments of
    a group are compared on the realisations that all of them have, and by one estimator. The cross
    estimate needs residual maps, which take some 0.2 s a realisation where they have to be made
    again from the parameters.

    Args:
        ds: what `sweep.open` returns.
        done: called after each experiment that was looked at.
        estimator: of the systematic part. By default the cross estimate; the noise-free one for all
            of a group where that has all of them and the cross one does not. `noise_free` makes
            no maps.
        converged: share of its recorded fits that must have converged for an experiment to take
            part; 0 lets all in.

    Returns:
        `summary` with `systematic`, var Q + var U of the residual of the noise-free fit, or the
        same of what the residuals of different realisations have in common, with
        `systematic_error`; the `estimator`, and both where they are known, `systematic_cross` and
        `systematic_noise_free`; `statistical`, what the `compared` realisations have more on
        average, with `statistical_error`; and `on_front`, true where no other experiment of the
        same group (sky, instrument, noise and mask) is lower in one part and not higher in the
        other. Sorted by `systematic`. With r_i = s + n_i, the noise-free estimate leaves the mean
        of 2 cov(s, n_i) to `statistical`; `sweep.statistics.maps` has var n_i alone.
        `attrs["left_out"]` counts the experiments that have not both parts, by reason;
        `attrs["fallback"]` are the groups without the usual estimator.

    Raises:
        ConfigError: no experiment has both parts; the message says what is missing.
    """
    ds = ds.assign(status=ds["status"].compute())  # asked for again and again
    table: Any = summary(ds)
    groups, left_out = comparison_groups(table, settings(ds)), Counter[str]()
    if "residual_variance" not in ds:
        raise ConfigError("no experiment has a residual: an import needs the true CMB for it")
    ranks = rankable(ds, converged, left_out)
    parts = _Parts(ds, estimator, converged, ranks, done)
    rows: list[Any] = []
    fallback: list[str] = []
    for group in groups:
        members = [i for i in group.members if ranks[i]]
        tries = ESTIMATORS if estimator is None else (estimator,)
        sides = [parts.side(members, each) for each in tries]
        whole = [side for side in sides if len(side.members) == len(members)]
        side = whole[0] if whole else next((s for s in sides if s.members), sides[0])
        left_out += side.left_out
        if not side.members:
            continue
        if estimator is None and side.estimator == "noise_free":
            fallback.append(group.label)
        rows.append(_rows(table, parts, side))
    if not rows:
        reasons = ", ".join(f"{count} ({why})" for why, count in left_out.items())
        asked = ESTIMATORS if estimator is None else (estimator,)
        needs = ", or ".join(_ADVICE[each] for each in asked)
        raise ConfigError(f"no experiment has both parts of the residual: {reasons}; needs {needs}")
    found = pd.concat(rows).sort_values("systematic", kind="stable")
    found.attrs |= {"left_out": dict(left_out), "fallback": fallback}
    return found


@dataclass(frozen=True)
class _Side:
    """Experiments of a group that an estimator has, and the realisations that all have."""

    estimator: Estimator
    members: list[int]
    on: np.ndarray
    left_out: Counter[str]


class _Parts:
    """What is known of the residual variance of every experiment."""

    def __init__(
        self,
        ds: xr.Dataset,
        estimator: Estimator | None,
        converged: float,
        ranks: np.ndarray,
        done: Callable[[], None],
    ) -> None:
        numbers, status = ds["realisation"].values, ds["status"].values
        noisy = numbers >= 0
        self._numbers = numbers[noisy]
        values = ds["residual_variance"].values[:, noisy]
        usable = is_usable(status[:, noisy]) & np.isfinite(values)
        self._values, self.usable = by_pair(values, usable, self._numbers, antithetic(ds))
        self._covariances: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray] | str] = {}
        for i in range(len(ranks)):
            if ranks[i] and estimator != "noise_free":
                try:
                    self._covariances[i] = covariance_of_units(ExperimentView(ds, i))
                except ConfigError as error:
                    self._covariances[i] = error.reason
            done()
        free = is_usable(noise_free(ds, "status", Status.PENDING)) & noise_free_ranks(ds, converged)
        self._free = np.where(free, noise_free(ds, "residual_variance", np.nan), np.nan)

    def side(self, members: list[int], estimator: Estimator) -> _Side:
        left_out: Counter[str] = Counter()
        there = []
        for i in members:
            known = self._covariances.get(i)
            if estimator == "cross" and isinstance(known, str):
                left_out[known] += 1
            elif estimator == "noise_free" and np.isnan(self._free[i]):
                left_out["no converged noise-free fit"] += 1
            else:
                there.append(i)
        kept, on = in_common(self.usable[there], NEEDED[estimator])
        few = self.usable[there].sum(axis=1) < NEEDED[estimator]
        if lost := np.count_nonzero(few):
            left_out[f"fewer than {NEEDED[estimator]} usable realisations"] += int(lost)
        if apart := np.count_nonzero(~kept & ~few):
            left_out[APART] += int(apart)
        ranked = [i for i, k in zip(there, kept, strict=True) if k]
        return _Side(estimator, ranked, on, left_out)

    def shares(self, one: int, on: np.ndarray, estimator: Estimator) -> Shares:
        """Both parts on some realisations; NaN where they are not known."""
        if estimator == "noise_free":
            total = Moments.of(self._values[one][on], self.usable[one][on])
            systematic = float(self._free[one])
            error = float(total.standard_error)
            return Shares(systematic, np.nan, float(total.mean) - systematic, error)
        known = self._covariances.get(one)
        numbers = self._numbers[on]
        if known is None or isinstance(known, str) or len(numbers) < NEEDED["cross"]:
            return Shares(np.nan, np.nan, np.nan, np.nan)
        here = np.isin(known[0], numbers)
        return shares(known[1][np.ix_(here, here)], known[2][here])


def _rows(table: Any, parts: _Parts, side: _Side) -> Any:
    members, on = side.members, side.on
    rows = table.iloc[members].copy()
    for each in ESTIMATORS:
        found = [parts.shares(i, on, each) for i in members]
        rows[f"systematic_{each}"] = [one.systematic for one in found]
        if each == side.estimator:
            for name, column in zip(Shares._fields, zip(*found, strict=True), strict=True):
                rows[name] = column
            rows[f"systematic_{each}_error"] = rows["systematic_error"]
    rows["estimator"] = side.estimator
    rows["compared"] = int(np.count_nonzero(on))
    rows["on_front"] = unbeaten(rows[["systematic", "statistical"]].to_numpy())
    return rows


def unbeaten(points: np.ndarray) -> np.ndarray:
    """Which points, shape (point, 2), no other is below in one part and not above in the other.

    Returns:
        bool, shape (point,).
    """
    ascending, own = np.unique(points, axis=0, return_inverse=True)
    second = ascending[:, 1]
    lowest_before = np.minimum.accumulate(np.concatenate([[np.inf], second]))[:-1]
    return (second < lowest_before)[own.ravel()]
