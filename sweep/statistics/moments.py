"""Count, mean and sum of squared deviations that merge without losing digits.

Chan, Golub & LeVeque 1983 (The American Statistician 37, 242), eq. 2.1. Merged in a fixed order
the result is the same at any number of workers.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Moments along the last axis of what was added; all attributes have the shape of the rest.

    Attributes:
        n: number of values.
        mean: their mean, NaN where there are none.
        m2: sum of their squared deviations from the mean.
    """

    n: np.ndarray
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, usable: np.ndarray) -> "Moments":
        """Moments along the last axis of the `usable` entries of `values`."""
        n = np.sum(usable, axis=-1)
        kept = np.where(usable, values, 0.0)
        with np.errstate(invalid="ignore"):
            mean = np.sum(kept, axis=-1) / np.where(n > 0, n, np.nan)
        deviation = np.where(usable, values - mean[..., None], 0.0)
        return cls(n, mean, np.sum(deviation**2, axis=-1))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of values together."""
        n = self.n + other.n
        share = other.n / np.where(n > 0, n, 1)
        mine, theirs = np.nan_to_num(self.mean), np.nan_to_num(other.mean)
        shift = theirs - mine
        mean = np.where(n > 0, mine + share * shift, np.nan)
        between = np.where((self.n > 0) & (other.n > 0), shift**2 * self.n * share, 0.0)
        m2 = self.m2 + other.m2 + between
        return Moments(n, mean, m2)

    @property
    def variance(self) -> np.ndarray:
        """Unbiased variance, NaN below two values."""
        return self.m2 / np.where(self.n > 1, self.n - 1, np.nan)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of the mean, NaN below two values."""
        return np.sqrt(self.variance / np.where(self.n > 0, self.n, np.nan))
