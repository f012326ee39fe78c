"""Experiments ranked by r, or a number beside it, from the spectra of their residuals."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from sweep.cache import usual_cache
from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NAMES, NEEDED, Estimator
from sweep.statistics.candidates import APART, ROUNDING_USUAL, in_common, noise_free_ranks
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.kept import array_digest, kept
from sweep.statistics.means import Field
from sweep.statistics.residuals import Residuals, read_residuals
from sweep.statistics.tensor_ratio import (
    NUMBERS,
    Templates,
    TensorRatio,
    bootstrap,
    spread,
    templates,
    tensor_ratio,
)

_IN_MEMORY = 32
"""Experiments whose coefficients are kept; others are read again where they are needed again."""


class Ratios:
    """r from the spectra of an experiment's residuals."""

    def __init__(
        self,
        ds: xr.Dataset,
        metric: str,
        estimator: Estimator | None,
        converged: float,
        done: Callable[[], None],
    ) -> None:
        self._ds, self._metric, self._asked, self._done = ds, metric, estimator, done
        numbers = ds["realisation"].values
        self._realisations = numbers[numbers >= 0]
        self._converged = noise_free_ranks(ds, converged)
        self._read: OrderedDict[int, Residuals] = OrderedDict()
        self._ratios: dict[tuple[int, Estimator, bytes], dict[str, float] | str] = {}
        self._known: dict[tuple[int, Estimator, bytes], np.ndarray] = {}

    def field(self, members: Sequence[int], parts: int = 1) -> Field:
        """Those of `members` that one estimator can compare.

        Where none was asked for that is the cross estimator, but the noise-free one for all where
        it ranks all of them and the cross one does not.
        """
        left_out: Counter[str] = Counter()
        owned: dict[int, tuple[np.ndarray, bool]] = {}
        tries: list[Estimator] = [e for e in ESTIMATORS if self._asked in (None, e)]
        for i in members:
            try:
                residuals = self._residuals(i)
                owned[i] = (
                    residuals.realisations,
                    (residuals.noiseless is not None and bool(self._converged[i])),
                )
                for estimator in tries:
                    if not residuals.missing(estimator):
                        self._ratio(i, residuals.realisations, estimator)
            except ConfigError as error:
                left_out[error.reason] += 1
            self._done()
        fields = [self._attempt(owned, estimator, parts) for estimator in tries]
        whole = [one for one in fields if len(one.members) == len(owned)]
        chosen = whole[0] if whole else next((f for f in fields if f.members), fields[0])
        return Field(
            chosen.members,
            chosen.values,
            chosen.on,
            chosen.estimator,
            left_out + chosen.left_out,
            self._asked is None and chosen.estimator == "noise_free",
        )

    def _attempt(
        self, owned: dict[int, tuple[np.ndarray, bool]], estimator: Estimator, parts: int
    ) -> Field:
        left_out: Counter[str] = Counter()
        there = [i for i, (_, has) in owned.items() if has or estimator == "cross"]
        if len(owned) > len(there):
            left_out["no converged noise-free fit"] += len(owned) - len(there)
        if not there:
            return Field([], np.zeros(0), np.zeros(0, int), estimator, left_out)
        has = np.array([np.isin(self._realisations, owned[i][0]) for i in there])
        needed = parts * NEEDED[estimator]
        kept, shared = in_common(has, needed)
        on = self._realisations[shared]
        if few := np.count_nonzero(has.sum(axis=1) < needed):
            left_out[
                f"fewer than {needed} usable realisations, which the {NAMES[estimator]} estimate "
                "needs"
            ] += int(few)
        if apart := np.count_nonzero(~kept) - few:
            left_out[APART] += int(apart)
        members: list[int] = []
        for i in (one for one, k in zip(there, kept, strict=True) if k):
            found = self._ratio(i, on, estimator)
            if isinstance(found, str):
                left_out[found] += 1
            else:
                members.append(i)
        return Field(members, self.values(members, on, estimator), on, estimator, left_out)

    def values(
        self, members: Sequence[int], on: np.ndarray, estimator: Estimator | None
    ) -> np.ndarray:
        """The metric of experiments on these realisations; NaN where it is not known."""
        return np.array([self._number(i, on, estimator, self._metric) for i in members])

    def error(self, one: int, on: np.ndarray, estimator: Estimator | None) -> float:
        """Its error."""
        return spread(self._drawn(one, on, estimator))

    def delta_error(
        self, one: int, other: int, on: np.ndarray, estimator: Estimator | None
    ) -> float:
        """Error of the difference of two experiments, of which the noise is the same."""
        return spread(self._drawn(one, on, estimator) - self._drawn(other, on, estimator))

    def rounding(self, one: int, on: np.ndarray, estimator: Estimator | None) -> float:
        """Differences to an experiment up to which others are tied with it.

        Relative to the upper end of its interval: r itself may be 0.
        """
        return ROUNDING_USUAL * abs(self._number(one, on, estimator, "r_upper_68"))

    def columns(
        self, members: Sequence[int], on: np.ndarray, estimator: Estimator | None
    ) -> dict[str, np.ndarray]:
        """R with its interval and limits, and the metric and r by each estimator."""
        names = {n if n == "r" else f"r_{n}" for n in NUMBERS}
        found = {
            name: np.array([self._number(i, on, estimator, name) for i in members])
            for name in sorted(names)
        }
        for each in ESTIMATORS:
            for name in dict.fromkeys((self._metric, "r")):
                found[f"{name}_{each}"] = np.array(
                    [self._number(i, on, each, name) for i in members]
                )
        return found

    def _number(self, one: int, on: np.ndarray, estimator: Estimator | None, name: str) -> float:
        assert estimator is not None
        found = self._ratio(one, on, estimator)
        if isinstance(found, str):
            return np.nan
        return _named(found, name)

    def _ratio(self, one: int, on: np.ndarray, estimator: Estimator) -> dict[str, float] | str:
        """What is known of r, or why nothing is."""
        key = (one, estimator, on.tobytes())
        if key not in self._ratios:
            residuals = self._residuals(one).select(on)
            try:
                found = tensor_ratio(residuals, templates_of(residuals), estimator)
                self._ratios[key] = {name: getattr(found, name) for name in NUMBERS}
            except ConfigError as error:
                self._ratios[key] = error.reason
        return self._ratios[key]

    def _drawn(self, one: int, on: np.ndarray, estimator: Estimator | None) -> np.ndarray:
        assert estimator is not None
        key = (one, estimator, on.tobytes())
        if key not in self._known:
            self._known[key] = _draws(self._residuals(one).select(on), self._metric, estimator)
        return self._known[key]

    def _residuals(self, one: int) -> Residuals:
        if one in self._read:
            self._read.move_to_end(one)
        else:
            found = read_residuals(ExperimentView(self._ds, one))
            self._read[one] = found if self._converged[one] else replace(found, noiseless=None)
            if len(self._read) > _IN_MEMORY:
                self._read.popitem(last=False)
        return self._read[one]


def ratio_error(residuals: Residuals, metric: str, estimator: Estimator) -> float:
    """Error of a metric of spectra by a bootstrap over realisations, NaN with only one."""
    return spread(_draws(residuals, metric, estimator))


def difference_error(one: Residuals, other: Residuals, metric: str, estimator: Estimator) -> float:
    """Error of the difference of a metric, over the realisations that both have.

    Both draw the same realisations, that is the same noise, which cancels to a large part.
    """
    shared = np.intersect1d(one.realisations, other.realisations)
    mine, theirs = (_draws(each.select(shared), metric, estimator) for each in (one, other))
    return spread(mine - theirs)


def _draws(residuals: Residuals, metric: str, estimator: Estimator) -> np.ndarray:
    if len(residuals.realisations) < 2:
        return np.full(2, np.nan)
    spectra = templates_of(residuals)
    key = {
        "estimator": estimator,
        "sky_fraction": residuals.sky_fraction,
        "alms": array_digest(residuals.alms),
        "noiseless": None if residuals.noiseless is None else array_digest(residuals.noiseless),
        **({} if residuals.odd is None else {"odd": array_digest(residuals.odd)}),
        "templates": array_digest(np.stack(spectra)),
    }
    drawn = kept("draws", key, lambda: bootstrap(residuals, spectra, estimator))
    return _named(drawn, metric)


def templates_of(residuals: Residuals) -> Templates:
    """CAMB's spectra at the resolution and beam of some residuals, from the usual cache."""
    return _templates(residuals.nside, residuals.fwhm)


def templates_name(residuals: Residuals) -> str:
    """By what `templates_of` differ: the resolution, and the beam where there is one."""
    beam = f", {residuals.fwhm:g} arcmin" if residuals.fwhm else ""
    return f"{residuals.nside}{beam}"


@lru_cache(maxsize=8)
def _templates(nside: int, fwhm: float) -> Templates:
    return templates(nside, usual_cache(), fwhm=fwhm)


def metric_of(ratio: TensorRatio, metric: str) -> float:
    """One of `OF_SPECTRA`."""
    return _named(vars(ratio), metric)


def _named(numbers: Mapping[str, Any], metric: str) -> Any:
    """A metric of spectra among the numbers of a likelihood of r, or of each of its draws."""
    return abs(numbers["r"]) if metric == "bias" else numbers[metric.removeprefix("r_")]
