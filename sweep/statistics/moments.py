"""Count, mean and sums of powers of deviations that merge without losing digits.

Chan, Golub & LeVeque 1983 (The American Statistician 37, 242), eq. 2.1, for the second power; Pébay
2008 (Sandia report SAND2008-6212), eqs. 3.1 to 3.4, for the third and fourth. Merged in a fixed
order the result is the same at any number of workers.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Moments along the last axis of what was added; all attributes have the shape of the rest.

    Attributes:
        n: number of values.
        mean: their mean, NaN where there are none.
        m2, m3, m4: sums of powers of their deviations from the mean.
    """

    n: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, usable: np.ndarray) -> "Moments":
        """Moments along the last axis of the `usable` entries of `values`."""
        n = np.sum(usable, axis=-1)
        kept = np.where(usable, values, 0.0)
        with np.errstate(invalid="ignore"):
            mean = np.sum(kept, axis=-1) / np.where(n > 0, n, np.nan)
        deviation = np.where(usable, values - mean[..., None], 0.0)
        square = deviation**2
        m3, m4 = np.sum(square * deviation, axis=-1), np.sum(square**2, axis=-1)
        return cls(n, mean, np.sum(square, axis=-1), m3, m4)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of values together."""
        n = self.n + other.n
        a, b = (m.n / np.where(n > 0, n, 1) for m in (self, other))  # shares
        mine, theirs = np.nan_to_num(self.mean), np.nan_to_num(other.mean)
        both = (self.n > 0) & (other.n > 0)
        shift = np.where(both, theirs - mine, 0.0)
        mean = np.where(n > 0, np.where(both, mine + b * shift, a * mine + b * theirs), np.nan)
        between = shift**2 * self.n * b
        m2 = self.m2 + other.m2 + between
        m3 = self.m3 + other.m3 + between * shift * (a - b)
        m3 = m3 + 3 * shift * (a * other.m2 - b * self.m2)
        m4 = self.m4 + other.m4 + between * shift**2 * (a * a - a * b + b * b)
        m4 = m4 + 6 * shift**2 * (a * a * other.m2 + b * b * self.m2)
        m4 = m4 + 4 * shift * (a * other.m3 - b * self.m3)
        return Moments(n, mean, m2, m3, m4)

    @property
    def variance(self) -> np.ndarray:
        """Unbiased variance, NaN below two values."""
        return self.m2 / np.where(self.n > 1, self.n - 1, np.nan)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of the mean, NaN below two values."""
        return np.sqrt(self.variance / np.where(self.n > 0, self.n, np.nan))

    @property
    def variance_error(self) -> np.ndarray:
        """Standard error of `variance` by the jackknife, NaN below three values.

        It needs no assumption on the distribution. Leaving value i out changes the variance by a
        multiple of its squared deviation, so that the sum over i is one of fourth powers.
        """
        n = np.where(self.n > 2, self.n, np.nan)
        scatter = np.maximum(self.m4 - self.m2**2 / n, 0.0)
        return np.sqrt(scatter * n / (n - 1)) / (n - 2)
