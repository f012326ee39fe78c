"""Which experiment is best by a metric, and how sure that is."""

from collections import Counter
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from sweep.cache import Cache
from sweep.config.compose import compose
from sweep.errors import ConfigError
from sweep.statistics.contexts import Context, contexts_of
from sweep.statistics.moments import Moments
from sweep.statistics.residuals import Residuals, read_residuals, reason
from sweep.statistics.summary import METRICS, OF_FITS, settings, summary
from sweep.statistics.tensor_ratio import (
    Templates,
    TensorRatio,
    bootstrap,
    spread,
    templates,
    tensor_ratio,
)
from sweep.types import Status


def best(
    ds: xr.Dataset, metric: str, top: int | None = None, done: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """Experiments with usable fits, the best first, those of every context apart.

    Only experiments that see the same sky through the same instrument, noise and mask can be
    compared by their numbers, see `sweep.statistics.contexts`.

    Args:
        ds: what `sweep.open` returns.
        metric: one of `METRICS`; `r` ranks as `bias`.
        top: how many of each context; all by default.
        done: called after each experiment whose spectra were looked at.

    Returns:
        `summary` of them with the `context`, the metric and its error, `<metric>_error`; `behind`
        the first of the context, with `behind_error` from the realisations both have, which is
        much smaller than the errors of the two since their noise is the same; and `significance`,
        the ratio of the last two. For metrics of spectra also `r`, `r_minus`, `r_plus`,
        `r_upper_68` and `r_upper_95`; errors are of a bootstrap over realisations. Experiments
        without the metric are left out; `attrs["left_out"]` counts them by reason, and
        `attrs["metric"]` is what ranks.

    Raises:
        ConfigError: unknown metric, or no experiment has what it needs.
    """
    if metric not in METRICS:
        raise ConfigError(f"unknown metric {metric!r}; choose from {', '.join(METRICS)}")
    metric = "bias" if metric == "r" else metric
    table = summary(ds)
    contexts = contexts_of(table, settings(ds))
    ranking = _Means(ds, metric) if metric in OF_FITS else _Ratios(ds, metric, done)
    rows = [row for context in contexts for row in _ranked(context, ranking, top)]
    if not rows:
        raise ConfigError(ranking.none)
    order = [row.experiment for row in rows]
    table = table.iloc[order].copy()
    for name, column in ranking.columns.items():
        table[name] = column[order]
    table[metric] = ranking.values[order]
    table[f"{metric}_error"] = [ranking.error(i) for i in order]
    table["context"] = [row.context for row in rows]
    table["behind"], table["behind_error"] = np.array([row.behind for row in rows]).T
    table["significance"] = table["behind"] / table["behind_error"]
    table.attrs |= {"metric": metric, "left_out": dict(ranking.left_out)}
    return table


class _Row(NamedTuple):
    experiment: int
    context: str
    behind: tuple[float, float]


def _ranked(context: Context, ranking: "_Means | _Ratios", top: int | None) -> list[_Row]:
    """The experiments of a context that have the metric, the best first."""
    members = np.array(context.members)
    values = ranking.values[members]
    order = members[np.argsort(values, kind="stable")]
    order = order[: np.count_nonzero(np.isfinite(values))][:top].tolist()
    behind = [(0.0, np.nan), *(ranking.behind(i, order[0]) for i in order[1:])]
    return [_Row(i, context.label, gap) for i, gap in zip(order, behind, strict=False)]


class _Means:
    """A number that every fit has; an experiment is ranked by its mean over realisations."""

    none = "no experiment has a usable fit yet"
    columns: dict[str, np.ndarray] = {}

    def __init__(self, ds: xr.Dataset, metric: str) -> None:
        noisy = ds.isel(realisation=ds["realisation"].values >= 0)
        usable = np.isin(noisy["status"].values, [s for s in Status if s.usable])
        self._numbers = noisy[metric].values if metric in noisy else np.full(usable.shape, np.nan)
        self._usable = usable & np.isfinite(self._numbers)
        moments = Moments.of(self._numbers, self._usable)
        self.values, self._errors = moments.mean, moments.standard_error
        without = int(np.count_nonzero(~np.isfinite(self.values)))
        self.left_out = Counter({"no usable fit": without} if without else {})

    def error(self, one: int) -> float:
        return float(self._errors[one])

    def behind(self, one: int, other: int) -> tuple[float, float]:
        both = self._usable[one] & self._usable[other]
        gaps = Moments.of(self._numbers[one] - self._numbers[other], both)
        return float(gaps.mean), float(gaps.standard_error)


class _Ratios:
    """r from the spectra of an experiment's residuals."""

    none = (
        "no experiment has the spectra of residuals: they need a usable noise-free fit "
        "(noise.noiseless=true) or two realisations, and store.spectra=alm, store.maps or "
        "store.parameters"
    )

    def __init__(self, ds: xr.Dataset, metric: str, done: Callable[[], None]) -> None:
        self._ds, self._metric = ds, metric
        self.left_out: Counter[str] = Counter()
        self._ratios: list[TensorRatio | None] = []
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for i in range(ds.sizes["experiment"]):
            self._ratios.append(self._ratio(i))
            done()
        self.values = np.array(
            [np.nan if r is None else metric_of(r, metric) for r in self._ratios]
        )

    def _ratio(self, one: int) -> TensorRatio | None:
        try:
            residuals = read_residuals(self._ds, one)
            return tensor_ratio(residuals, templates_of(residuals))
        except ConfigError as error:
            self.left_out[reason(error)] += 1
            return None

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        names = {"r": "r", "minus": "r_minus", "plus": "r_plus"}
        names |= {"upper_68": "r_upper_68", "upper_95": "r_upper_95"}
        return {
            column: np.array([np.nan if r is None else getattr(r, name) for r in self._ratios])
            for name, column in names.items()
        }

    def error(self, one: int) -> float:
        return spread(self._resampled(one)[1])

    def behind(self, one: int, other: int) -> tuple[float, float]:
        (mine, draws), (theirs, others) = (self._resampled(i) for i in (one, other))
        gap = float(self.values[one] - self.values[other])
        if np.array_equal(mine, theirs):
            return gap, spread(draws - others)
        left, right = (read_residuals(self._ds, i) for i in (one, other))
        return gap, difference_error(left, right, self._metric)

    def _resampled(self, one: int) -> tuple[np.ndarray, np.ndarray]:
        """Realisations of an experiment, and the metric of what is drawn from them."""
        if one not in self._known:
            residuals = read_residuals(self._ds, one)
            self._known[one] = residuals.realisations, _draws(residuals, self._metric)
        return self._known[one]


def ratio_error(residuals: Residuals, metric: str) -> float:
    """Error of a metric of spectra by a bootstrap over realisations, NaN with only one."""
    return spread(_draws(residuals, metric))


def difference_error(one: Residuals, other: Residuals, metric: str) -> float:
    """Error of the difference of a metric, over the realisations that both have.

    Both draw the same realisations, that is the same noise, which cancels to a large part.
    """
    shared = np.intersect1d(one.realisations, other.realisations)
    mine, theirs = (_draws(each.select(shared), metric) for each in (one, other))
    return spread(mine - theirs)


def _draws(residuals: Residuals, metric: str) -> np.ndarray:
    if len(residuals.realisations) < 2:
        return np.full(2, np.nan)
    found = bootstrap(residuals, templates_of(residuals))
    name = metric.removeprefix("r_")
    return np.abs(found["r"]) if name == "bias" else found[name]


def templates_of(residuals: Residuals) -> Templates:
    """CAMB's spectra at the resolution of some residuals, from the usual cache."""
    return _templates(residuals.nside)


@lru_cache(maxsize=8)
def _templates(nside: int) -> Templates:
    return templates(nside, Cache(Path(str(compose([]).store.cache))))


def metric_of(ratio: TensorRatio, metric: str) -> float:
    """One of `OF_SPECTRA`."""
    return abs(ratio.r) if metric == "bias" else getattr(ratio, metric.removeprefix("r_"))
