"""Parts of the residual variance, from what different realisations have in common."""

from typing import NamedTuple

import numpy as np

from sweep.cache import Arrays
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.kept import content_of, kept
from sweep.statistics.pairs import antithetic, partners
from sweep.statistics.recovered import residual_of


def residual_covariance(experiment: ExperimentView) -> tuple[np.ndarray, np.ndarray]:
    """Covariances over the kept pixels of the residuals of different realisations.

    Returns:
        Numbers of the usable realisations, shape (realisation,), and cov Q + cov U of each two,
        uK^2, shape (realisation, realisation); the diagonal is `residual_variance`.

    Raises:
        ConfigError: there is no usable fit with noise, or the residual maps cannot be had, see
            `sweep.statistics.recovered.residual_of`.
    """
    numbers = experiment.noisy
    if not numbers.size:
        raise experiment.missing("no usable fit")

    def made() -> Arrays:
        maps = residual_of(experiment, numbers.tolist())
        maps = maps - maps.mean(axis=-1, keepdims=True)
        flat = maps.reshape(len(maps), -1)
        return {"covariance": flat @ flat.T / maps.shape[-1]}

    return numbers, kept("covariance", content_of(experiment, numbers), made)["covariance"]


class Shares(NamedTuple):
    """Parts of the residual variance, uK^2, with their standard errors (NaN with two)."""

    systematic: float
    systematic_error: float
    statistical: float
    statistical_error: float


def covariance_of_units(experiment: ExperimentView) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`residual_covariance`, of antithetic noise `of_pairs`, and the variance of each.

    Raises:
        ConfigError: as `residual_covariance`.
    """
    numbers, covariance = residual_covariance(experiment)
    if antithetic(experiment.ds)[experiment.position]:
        return of_pairs(numbers, covariance)
    return numbers, covariance, np.diag(covariance)


def of_pairs(
    numbers: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of antithetic pairs: their numbers, covariances of their means, and variances.

    The last is the mean variance of the two residuals of a pair, shape (pair,).
    """
    first, second = partners(numbers)
    own = np.diag(covariance)
    between = [covariance[np.ix_(a, b)] for a in (first, second) for b in (first, second)]
    return numbers[first], np.mean(between, axis=0), (own[first] + own[second]) / 2


def shares(covariance: np.ndarray, own: np.ndarray) -> Shares:
    """What realisations have in common, and what each has more on average.

    The first is the mean covariance of two different ones: free of the noise of single ones, so
    that it may be negative. Errors are by the jackknife: of the systematic part up to 1.5 times
    too large where it is small against the noise.

    Args:
        covariance: shape (realisation, realisation), two or more.
        own: variance of each, the diagonal unless a realisation is a pair, shape (realisation,).
    """
    count = len(covariance)
    pairs = covariance.sum(axis=1) - np.diag(covariance)
    systematic = pairs.sum() / (count * (count - 1))
    statistical = own.mean() - systematic
    if count < 3:
        return Shares(float(systematic), np.nan, float(statistical), np.nan)
    without = (pairs.sum() - 2 * pairs) / ((count - 1) * (count - 2))
    rest = (own.sum() - own) / (count - 1) - without
    errors = (float(np.sqrt((count - 1) * np.var(each))) for each in (without, rest))
    return Shares(float(systematic), next(errors), float(statistical), next(errors))
