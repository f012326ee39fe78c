"""Experiments ranked by the mean of a number that every fit has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from sweep.estimators import Estimator
from sweep.statistics.candidates import APART, ROUNDING, ROUNDING_USUAL, in_common
from sweep.statistics.dataset import is_usable, noisy_part
from sweep.statistics.moments import Moments
from sweep.statistics.pairs import antithetic, by_pair


@dataclass(frozen=True)
class Field:
    """Experiments that are ranked together, on the realisations that all of them have.

    Attributes:
        members: their positions.
        values: of the metric, lower is better, in the same order.
        on: numbers of the realisations.
        estimator: by which all are ranked; None for metrics that need none.
        left_out: how many experiments are not among them, by reason.
        fallback: whether `estimator` is not the one that is taken by default.
    """

    members: list[int]
    values: np.ndarray
    on: np.ndarray
    estimator: Estimator | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    fallback: bool = False


_NEEDS = {"residual_variance": ", which needs the true CMB (sky.truth)"}
"""What fits lack that do not have a number."""


class Means:
    """A number that every fit has; an experiment is ranked by its mean over realisations.

    Of antithetic noise a pair is one realisation, see `sweep.statistics.pairs`.
    """

    def __init__(self, ds: xr.Dataset, metric: str) -> None:
        noisy = noisy_part(ds)
        self._realisations = noisy["realisation"].values
        usable = is_usable(noisy["status"].values)
        self._numbers = noisy[metric].values if metric in noisy else np.full(usable.shape, np.nan)
        usable &= np.isfinite(self._numbers)
        self._numbers, self._usable = by_pair(
            self._numbers, usable, self._realisations, antithetic(ds)
        )
        self._metric = metric

    def field(self, members: Sequence[int], parts: int = 1) -> Field:
        """Those of `members` that can be compared, with `parts` realisations in common."""
        where = np.asarray(members, int)
        has = self._usable[where]
        kept, on = in_common(has, parts)
        left_out: Counter[str] = Counter()
        if without := np.count_nonzero(~has.any(axis=1)):
            left_out[f"no {self._metric}{_NEEDS.get(self._metric, '')}"] += int(without)
        if apart := np.count_nonzero(~kept) - without:
            left_out[APART] += int(apart)
        ranked, numbers = where[kept], self._realisations[on]
        return Field(ranked.tolist(), self.values(ranked, numbers), numbers, None, left_out)

    def values(
        self,
        members: Sequence[int] | np.ndarray,
        on: np.ndarray,
        estimator: Estimator | None = None,
    ) -> np.ndarray:
        """The metric of experiments on these realisations."""
        return self._moments(np.asarray(members, int), on).mean

    def error(self, one: int, on: np.ndarray, estimator: Estimator | None) -> float:
        """Its error."""
        return float(self._moments(np.array([one]), on).standard_error[0])

    def delta_error(
        self, one: int, other: int, on: np.ndarray, estimator: Estimator | None
    ) -> float:
        """Error of the difference of two experiments, of which the noise is the same."""
        numbers, usable = self._on(on)
        gaps = numbers[one] - numbers[other]
        return float(Moments.of(gaps, usable[one] & usable[other]).standard_error)

    def rounding(self, one: int, on: np.ndarray, estimator: Estimator | None) -> float:
        """Differences to an experiment up to which others are tied with it."""
        level = ROUNDING.get(self._metric, ROUNDING_USUAL)
        return level * abs(float(self.values([one], on)[0]))

    def columns(
        self, members: Sequence[int], on: np.ndarray, estimator: Estimator | None
    ) -> dict[str, np.ndarray]:
        """What else is known."""
        return {}

    def _moments(self, members: np.ndarray, on: np.ndarray) -> Moments:
        numbers, usable = self._on(on)
        return Moments.of(numbers[members], usable[members])

    def _on(self, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of these realisations, and which of them are usable."""
        if len(on) == len(self._realisations):
            return self._numbers, self._usable
        here = np.isin(self._realisations, on)
        return self._numbers[:, here], self._usable[:, here]
