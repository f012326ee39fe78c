"""The posterior of r beside the amplitudes of lensing and of residual foregrounds.

The likelihood of band powers of Hamimeche & Lewis 2008 (arXiv:0801.0554, eq. 47) for one field:

    -2 ln L = x^T M^-1 x,   x_b = g(D_b / C_b) F_b,   g(x) = sign(x - 1) sqrt(2 (x - ln x - 1)),

with the observed D, the mean C at the parameters, and the mean F and covariance M of simulations.
It keeps the skewness of power with few modes. For cross powers D, C and F have the same offset
(Mangilli, Plaszczynski & Tristram 2015, arXiv:1503.01347), which is `Bandpowers.noise`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from sweep.errors import ConfigError
from sweep.statistics.bandpowers import Bandpowers
from sweep.statistics.tensor_ratio import TensorRatio, quantiles

_MOST_RESIDUAL, _STEPS = 4.0, 33
"""Of the amplitude of residual foregrounds where it is free; steps of it and of lensing."""

_COARSE, _FINE = 121, 241
"""Steps of r: to find the posterior, and over it."""

_HIGHEST = 1e3
"""Of r: where the posterior goes on to here, band powers say nothing of it."""

_DEPTH = 14.0
"""The posterior of r is followed down to e^-14 of its maximum."""


@dataclass(frozen=True)
class Priors:
    """What is known of the other amplitudes; that of r is flat, below 0 too.

    Attributes:
        lensing: standard deviation of the amplitude of lensing about 1; 0 fixes it.
        residual: amplitude of the template of residual foregrounds, 0 without, 1 as simulated;
            None leaves it free, flat from 0 to 4.

    Raises:
        ConfigError: one of them is negative.
    """

    lensing: float = 0.0
    residual: float | None = 0.0

    def __post_init__(self) -> None:
        for name, value in (("A_lens", self.lensing), ("A_residual", self.residual)):
            if value is not None and not value >= 0:
                raise ConfigError(f"prior of {name} = {value:g}: must be at least 0")


@dataclass(frozen=True)
class Amplitudes:
    """What band powers say.

    Attributes:
        ratio: of r, the others integrated out; intervals are of the posterior, see `TensorRatio`,
            and `limit_95` is that of r >= 0.
        lensing: mean and standard deviation of A_lens.
        residual: those of A_residual.
    """

    ratio: TensorRatio
    lensing: tuple[float, float]
    residual: tuple[float, float]


def amplitudes(observed: np.ndarray, model: Bandpowers, priors: Priors) -> Amplitudes:
    """The posterior of observed band powers.

    Args:
        observed: as `Bandpowers.observed` gives them, uK_CMB^2, shape
            (band,).
        model: what they are on average, and how they scatter.
        priors: of the amplitudes.

    Raises:
        ConfigError: there are too few simulations for so many bands; or cross powers are negative
            by more than the noise, which this likelihood has no answer for.
    """
    likelihood = _Likelihood(observed, model)
    a_lens, weight = _lensing(priors)
    a_residual = np.linspace(0, _MOST_RESIDUAL, _STEPS)
    if priors.residual is not None:
        a_residual = np.array([priors.residual])
    lens, residual = np.meshgrid(a_lens, a_residual, indexing="ij")

    def density(r: np.ndarray) -> np.ndarray:
        """Log of the posterior, shape (r, A_lens, A_residual)."""
        found = [likelihood(each, lens, residual) for each in r]
        return np.stack(found) + np.log(weight)[:, None]

    sigma = likelihood.sigma
    r, whole = _located(density, -6 * sigma, 8 * sigma)
    of_r = _summed(whole)
    shares = np.exp(whole - whole.max())
    positive, above = _located(density, 0.0, 8 * sigma)
    return Amplitudes(
        _of_density(r, of_r, _limit(positive, _summed(above))),
        _moments(a_lens, shares.sum(axis=(0, 2))),
        _moments(a_residual, shares.sum(axis=(0, 1))),
    )


def _located(
    density: Callable[[np.ndarray], np.ndarray], low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values of r above `low` over which a posterior is not nothing, and its logarithm there."""
    while True:
        r = np.linspace(low, high, _COARSE)
        of_r = _summed(density(r))
        inside = np.flatnonzero(of_r > of_r.max() - _DEPTH)
        if inside[-1] == len(r) - 1:
            high += 2 * (high - low)
            if high > _HIGHEST:
                raise ConfigError("band powers do not bound r from above")
        elif len(inside) < _COARSE // 8:
            low, high = float(r[max(inside[0] - 1, 0)]), float(r[inside[-1] + 1])
        else:
            break
    r = np.linspace(r[max(inside[0] - 1, 0)], r[inside[-1] + 1], _FINE)
    return r, density(r)


class _Likelihood:
    """ln L of observed band powers at parameters."""

    def __init__(self, observed: np.ndarray, model: Bandpowers) -> None:
        bands, count = len(observed), model.simulations
        if count < bands + 4:
            raise ConfigError(
                f"{count} simulations for {bands} bands: their covariance needs {bands + 4}"
            )
        # Hartlap et al. 2007 (astro-ph/0608064), eq. 17
        unbiased = (count - bands - 2) / (count - 1)
        self._inverse = unbiased * np.linalg.inv(model.covariance)
        self._model = model
        self._observed = observed
        if not (observed > 0).all():
            raise ConfigError("observed power is negative by more than its noise in a band")

    @property
    def sigma(self) -> float:
        """Error of r by Fisher, of the other amplitudes fixed."""
        return float(1 / np.sqrt(self._model.tensor @ self._inverse @ self._model.tensor))

    def __call__(self, r: float, lensing: np.ndarray, residual: np.ndarray) -> np.ndarray:
        mean = self._model.mean(np.array(r), lensing, residual)
        positive = (mean > 0).all(axis=-1)
        ratio = self._observed / np.where(mean > 0, mean, 1.0)
        x = np.sign(ratio - 1) * np.sqrt(np.maximum(2 * (ratio - np.log(ratio) - 1), 0))
        x *= self._model.fiducial
        found = -0.5 * np.einsum("...b,bc,...c->...", x, self._inverse, x)
        return np.where(positive, found, -np.inf)


def _lensing(priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Values of A_lens, and the prior of each."""
    width = priors.lensing
    if width == 0:
        return np.ones(1), np.ones(1)
    values = np.linspace(max(0.0, 1 - 5 * width), 1 + 5 * width, _STEPS)
    return values, np.exp(-0.5 * ((values - 1) / width) ** 2)


def _of_density(grid: np.ndarray, log: np.ndarray, limit: float) -> TensorRatio:
    """What a posterior of r says.

    Args:
        grid: values of r, ascending, shape (point,).
        log: logarithm of the posterior at these, shape (point,).
        limit: at 95 %, of r >= 0.
    """
    fine, smooth = _smooth(grid, log)
    top = int(smooth.argmax())
    r = float(fine[top])
    plus = upper = minus = 0.0
    if top < len(fine) - 1:
        plus, upper = quantiles(fine[top:] - r, smooth[top:], (0.68, 0.95))
    if top:
        (minus,) = quantiles((r - fine[: top + 1])[::-1], smooth[: top + 1][::-1], (0.68,))
    density = np.exp(log - log.max())
    return TensorRatio(r, minus, plus, r + plus, r + upper, limit, grid, density)


def _limit(grid: np.ndarray, log: np.ndarray) -> float:
    """Value of r below which 95 % of a posterior on r >= 0 are."""
    return quantiles(*_smooth(grid, log), (0.95,))[0]


def _smooth(grid: np.ndarray, log: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The posterior relative to its maximum on a finer grid."""
    there = log > log.max() - 2 * _DEPTH  # below some negative r no power is left
    fine = np.linspace(grid[there][0], grid[there][-1], 20 * len(grid))
    return fine, np.exp(CubicSpline(grid[there], (log - log.max())[there])(fine))


def _summed(density: np.ndarray) -> np.ndarray:
    """Log of the posterior of r."""
    peak = density.max()
    with np.errstate(divide="ignore"):
        return np.log(np.exp(density - peak).sum(axis=(1, 2))) + peak


def _moments(values: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    mean = float(np.average(values, weights=shares))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=shares)))
