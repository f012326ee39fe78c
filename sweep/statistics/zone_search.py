"""The search for the experiments of all zones that are best together."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NEEDED, Estimator
from sweep.quantities.table import OF_SPECTRA
from sweep.statistics.candidates import (
    APART,
    ROUNDING_USUAL,
    in_common,
    noise_free_ranks,
    rankable,
)
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.rankings import difference_error, metric_of, ratio_error, templates_of
from sweep.statistics.residuals import Residuals, read_residuals
from sweep.statistics.selection import Gap
from sweep.statistics.tensor_ratio import TensorRatio, tensor_ratio
from sweep.statistics.zones import check_disjoint, check_shared, combine

_ROUNDS = 20


@dataclass(frozen=True)
class Combination:
    """One experiment a zone, and their sky.

    Attributes:
        zones: mask expressions.
        experiments: positions in the dataset, one a zone.
        residuals: of all zones together.
        estimator: of the systematic part.
        ratio: their r.
        error: of the metric, by a bootstrap over realisations.
        other: r by the other estimator, None where it is not known.
    """

    zones: tuple[str, ...]
    experiments: tuple[int, ...]
    residuals: Residuals
    estimator: Estimator
    ratio: TensorRatio
    error: float
    other: TensorRatio | None


@dataclass(frozen=True)
class ZoneSearch:
    """What is searched.

    Attributes:
        candidates: residuals by zone and position in the dataset.
        on: numbers of the realisations that all have.
        estimator: by which all are compared.
        left_out: how many experiments are not among them, by reason.
        fallback: whether the estimator is not the usual one.
    """

    candidates: dict[str, dict[int, Residuals]]
    on: np.ndarray
    estimator: Estimator
    left_out: Counter[str]
    fallback: bool

    def best(self, metric: str, on: np.ndarray) -> tuple[dict[str, int], dict[str, int]]:
        """The best together, and the best of each zone by itself, on some realisations."""
        there = {
            zone: {i: residuals.select(on) for i, residuals in found.items()}
            for zone, found in self.candidates.items()
        }

        def value(chosen: dict[str, int]) -> float:
            together = combine([there[zone][i] for zone, i in chosen.items()])
            return metric_of(self._ratio(together), metric)

        alone = {
            zone: min(found, key=lambda e, z=zone: value({z: e})) for zone, found in there.items()
        }
        chosen = dict(alone)
        for _ in range(_ROUNDS):
            before = dict(chosen)
            for zone, found in there.items():
                chosen[zone] = min(found, key=lambda e, z=zone: value(chosen | {z: e}))
            if chosen == before:
                break
        return chosen, alone

    def combination(self, chosen: dict[str, int], metric: str, on: np.ndarray) -> Combination:
        """One experiment a zone, as some realisations see them together."""
        residuals = combine([self.candidates[z][i].select(on) for z, i in chosen.items()])
        another: Estimator = "cross" if self.estimator == "noise_free" else "noise_free"
        try:
            other = tensor_ratio(residuals, templates_of(residuals), another)
        except ConfigError:  # it stands beside the other, where it is known
            other = None
        return Combination(
            zones=tuple(chosen),
            experiments=tuple(chosen.values()),
            residuals=residuals,
            estimator=self.estimator,
            ratio=self._ratio(residuals),
            error=ratio_error(residuals, metric, self.estimator),
            other=other,
        )

    def attributes(self, metric: str) -> dict[str, object]:
        """`attrs` of a table of its experiments, as of `sweep.statistics.selection.best`."""
        fallback = [""] if self.fallback else []
        return {"metric": metric, "left_out": dict(self.left_out), "fallback": fallback}

    def gap(self, one: Combination, other: Combination, metric: str) -> Gap:
        """The metric of a combination minus that of another, from the realisations they share."""
        delta = metric_of(one.ratio, metric) - metric_of(other.ratio, metric)
        if abs(delta) <= ROUNDING_USUAL * abs(other.ratio.upper_68):
            return Gap(0.0, np.nan, True)
        error = difference_error(one.residuals, other.residuals, metric, self.estimator)
        return Gap(delta, error, False)

    def _ratio(self, residuals: Residuals) -> TensorRatio:
        return tensor_ratio(residuals, templates_of(residuals), self.estimator)


def zone_search(
    ds: xr.Dataset,
    zones: Sequence[str],
    metric: str,
    done: Callable[[], None],
    estimator: Estimator | None,
    converged: float,
    parts: int,
) -> ZoneSearch:
    """What to search, with `parts` times the realisations that the estimator needs.

    Raises:
        ConfigError: as `sweep.statistics.combination.best_of_zones`.
    """
    if metric not in OF_SPECTRA:
        raise ConfigError(f"zones: choose a metric from {', '.join(OF_SPECTRA)}, got {metric!r}")
    masks = np.asarray(ds["mask.expression"].values)
    known = list(dict.fromkeys(masks.tolist()))
    zones = tuple(zones) or tuple(known)
    for zone in zones:
        if zone not in known:
            raise ConfigError(f"no experiment has mask {zone!r}; choose from {', '.join(known)}")
    members = {zone: np.flatnonzero(masks == zone).tolist() for zone in zones}
    views = {e: ExperimentView(ds, e) for zone in zones for e in members[zone]}
    check_shared(list(views.values()))
    check_disjoint([views[members[zone][0]] for zone in zones])
    left_out: Counter[str] = Counter()
    everyone = np.sort([e for of in members.values() for e in of])
    ranks = np.zeros(ds.sizes["experiment"], bool)
    ranks[everyone] = rankable(ds.isel(experiment=everyone), converged, left_out)
    numbers = ds["realisation"].values
    free = noise_free_ranks(ds, converged)
    found: dict[int, Residuals] = {}
    for i in everyone.tolist():
        if ranks[i]:
            try:
                one = read_residuals(views[i])
                found[i] = one if free[i] else replace(one, noiseless=None)
            except ConfigError as error:
                left_out[error.reason] += 1
        done()
    tries = ESTIMATORS if estimator is None else (estimator,)
    fields = []
    for each in tries:
        kept, on, lost = _comparable(found, each, parts, numbers[numbers >= 0])
        candidates = {z: {i: kept[i] for i in members[z] if i in kept} for z in zones}
        fallback = estimator is None and each != ESTIMATORS[0]
        fields.append(ZoneSearch(candidates, on, each, left_out + lost, fallback))
    whole = [f for f in fields if sum(map(len, f.candidates.values())) == len(found)]
    complete = [f for f in fields if all(f.candidates.values())]
    chosen = (whole or complete or fields)[0]
    for zone, of in chosen.candidates.items():
        if not of:
            why = ", ".join(f"{count} ({text})" for text, count in chosen.left_out.items())
            raise ConfigError(
                f"zone {zone}: no experiment can be ranked by the spectra of its residuals: {why}"
            )
    return chosen


def _comparable(
    found: dict[int, Residuals], estimator: Estimator, parts: int, numbers: np.ndarray
) -> tuple[dict[int, Residuals], np.ndarray, Counter[str]]:
    """Candidates that an estimator has, the realisations that all have, and why others are not."""
    needed, lost = parts * NEEDED[estimator], Counter[str]()
    there = []
    for i, residuals in found.items():
        if why := residuals.missing(estimator):
            lost[why] += 1
        else:
            there.append(i)
    if not there:
        return {}, np.zeros(0, int), lost
    has = np.array([np.isin(numbers, found[i].realisations) for i in there])
    kept, on = in_common(has, needed)
    if apart := np.count_nonzero(~kept):
        lost[APART] += int(apart)
    chosen = {}
    for i in (i for i, k in zip(there, kept, strict=True) if k):
        residuals = found[i].select(numbers[on])
        try:
            tensor_ratio(residuals, templates_of(residuals), estimator)
        except ConfigError as error:
            lost[error.reason] += 1
        else:
            chosen[i] = residuals
    return chosen, numbers[on], lost
