"""The tensor-to-scalar ratio r that the residuals of component separation would be taken for.

The likelihood is that of full-sky Gaussian fields with the number of modes times the sky fraction,
as in Stompor, Errard & Poletti 2016 (arXiv:1609.03807) and arXiv:2604.08463:

    -2 ln L(r) = f_sky sum_l (2l + 1) (C_obs / C(r) + ln C(r)),
    C(r) = r C_tensor + C_lensing + N

with the observed BB power of lensing and of systematic and statistical residuals, and N the
statistical ones, which a real analysis knows from simulations. A sky with tensor modes would add
its own r: what is estimated here is the bias.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from sweep.beams import window
from sweep.cache import Cache
from sweep.errors import ConfigError, MissingError
from sweep.estimators import Estimator
from sweep.sky.cmb import PLANCK_2018, Cosmology, cmb_spectra
from sweep.spectra import multipoles
from sweep.statistics.residuals import Residuals

NUMBERS = ("r", "minus", "plus", "upper_68", "upper_95", "limit_95")
"""Attributes of `TensorRatio` that are numbers."""

_DEPTH = 14.0
"""The likelihood is followed down to e^-14 of its maximum."""

_POINTS = 501


class Templates(NamedTuple):
    """BB spectra, uK_CMB^2, shape (multipole,), from l = 2 on.

    Attributes:
        tensor: of tensor modes at r = 1.
        lensing: of lensed scalar modes.
    """

    tensor: np.ndarray
    lensing: np.ndarray


@dataclass(frozen=True)
class TensorRatio:
    """What a likelihood says of r.

    Attributes:
        r: the most likely value; may be negative.
        minus, plus: the 68 % interval is r - minus to r + plus: on each side of r it holds 68 % of
            the likelihood that lies there, as published.
        upper_68: r + plus, the upper end of the 68 % interval. No limit at 68 %: of a Gaussian
            likelihood 84 % lie below it.
        upper_95: the same with 95 %: of a Gaussian likelihood 97.5 % lie below it.
        limit_95: the one-sided 95 % limit: r below which 95 % of the posterior with a flat prior on
            r >= 0 lie.
        grid: values of r, shape (point,).
        likelihood: relative to its maximum, shape (point,).
    """

    r: float
    minus: float
    plus: float
    upper_68: float
    upper_95: float
    limit_95: float
    grid: np.ndarray
    likelihood: np.ndarray


def templates(
    nside: int, cache: Cache, cosmology: Cosmology = PLANCK_2018, fwhm: float = 0.0
) -> Templates:
    """CAMB's spectra at the multipoles of a resolution, without pixel window.

    Args:
        nside: HEALPix resolution.
        cache: for CAMB's spectra.
        cosmology: what they are computed from.
        fwhm: beam of the maps, arcmin: spectra are times its window squared; 0 for none.
    """
    ell = multipoles(nside)
    lensing, both = (cmb_spectra(r, int(ell[-1]), cache, cosmology)["bb"][ell] for r in (0.0, 1.0))
    if fwhm:
        squared = window(fwhm, int(ell[-1]))[ell] ** 2
        lensing, both = squared * lensing, squared * both
    return Templates(both - lensing, lensing)


def estimate(
    observed: np.ndarray, noise: np.ndarray, sky_fraction: float, spectra: Templates
) -> TensorRatio:
    """Estimate r from a BB spectrum.

    Args:
        observed: of all that is seen, lensing included, uK_CMB^2, shape (multipole,).
        noise: of the part that is known on average, uK_CMB^2, shape (multipole,).
        sky_fraction: kept share of the sphere.
        spectra: at the same multipoles.

    Raises:
        ConfigError: the power of the model is not positive at r = 0, or that observed is negative
            as a whole.
    """
    known = spectra.lensing + noise
    tensor = spectra.tensor
    modes = sky_fraction * (2 * multipoles(len(tensor) // 2) + 1) / 2
    if not (known > 0).all():
        raise ConfigError("the known BB power is not positive at every multipole")

    def slope(r: float) -> float:
        model = known + r * tensor
        return float(np.sum(modes * tensor * (observed / model - 1) / model))

    lowest = -float(np.min(known / tensor))
    low = lowest * (1 - 1e-9)
    high = 1e-3
    while slope(high) > 0:
        high *= 2
    if slope(low) < 0:
        raise ConfigError("the observed BB power is below what is known of it: no r fits")
    found: Any = brentq(slope, low, high, xtol=1e-12)
    r = float(found)

    def log_likelihood(at: np.ndarray) -> np.ndarray:
        model = known + np.atleast_1d(at)[:, None] * tensor
        return -np.sum(modes * (observed / model + np.log(model)), axis=1)

    peak = log_likelihood(np.array(r))[0]
    sigma = float(1 / np.sqrt(np.sum(modes * (tensor / (known + r * tensor)) ** 2)))
    top = r + 4 * sigma
    while log_likelihood(np.array(top))[0] > peak - _DEPTH:
        top += 2 * (top - r)
    bottom = r - 4 * sigma
    while bottom > lowest and log_likelihood(np.array(bottom))[0] > peak - _DEPTH:
        bottom -= r - bottom
    below = np.linspace(max(bottom, low), r, _POINTS)
    above = np.linspace(r, top, _POINTS)
    left = np.exp(log_likelihood(below) - peak)
    right = np.exp(log_likelihood(above) - peak)
    plus, upper = quantiles(above - r, right, (0.68, 0.95))
    (minus,) = quantiles((r - below)[::-1], left[::-1], (0.68,))
    return TensorRatio(
        r=r,
        minus=minus,
        plus=plus,
        upper_68=r + plus,
        upper_95=r + upper,
        limit_95=_limit(log_likelihood, r, sigma, top),
        grid=np.concatenate([below, above[1:]]),
        likelihood=np.concatenate([left, right[1:]]),
    )


def _limit(
    log_likelihood: Callable[[np.ndarray], np.ndarray], r: float, sigma: float, top: float
) -> float:
    """Value of r below which 95 % of the likelihood at r >= 0 lie.

    `top` is where it is e^-14 of its maximum.
    """
    peak = max(r, 0.0)
    highest = log_likelihood(np.array(peak))[0]
    if r <= 0:
        step = sigma
        top = step
        while log_likelihood(np.array(top))[0] > highest - _DEPTH:
            step *= 2
            top += step
    grid = np.union1d(np.linspace(0.0, peak, _POINTS), np.linspace(peak, top, _POINTS))
    return quantiles(grid, np.exp(log_likelihood(grid) - highest), (0.95,))[0]


def tensor_ratio(residuals: Residuals, spectra: Templates, estimator: Estimator) -> TensorRatio:
    """The r that lensing and the residuals of an experiment would be taken for.

    Raises:
        ConfigError: as `Residuals.spectra` and `estimate`.
    """
    found = residuals.spectra(estimator)
    observed = spectra.lensing + found.systematic + found.statistical
    return estimate(observed, found.statistical, residuals.sky_fraction, spectra)


def bootstrap(
    residuals: Residuals,
    spectra: Templates,
    estimator: Estimator,
    draws: int = 200,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """The same of realisations drawn anew with replacement.

    The same seed draws the same numbers for every experiment with as many realisations, so that
    experiments can be compared draw by draw. Draws of R realisations scatter less than others
    would by the root of (R - 1) / R, which is mended here.

    With the cross estimate, and where s is small against the noise, the error of r is too large, by
    about 1.5 to 2: in a draw the noise that its own mean holds passes for a part of s.

    Returns:
        `NUMBERS`, each of shape (draw,); their standard deviation is the error that the number of
        realisations leaves. NaN where there is no likelihood: a draw of few realisations leaves no
        power to the noise of a multipole, or is one realisation all the time, which with the cross
        estimate says nothing of s.
    """
    count = len(residuals.realisations)
    if count < 2:
        raise MissingError(residuals.label, f"errors need two realisations, there is {count}")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(count, size=(draws, count))
    weights = np.stack([np.bincount(each, minlength=count) for each in drawn])
    found = residuals.spectra(estimator, weights)
    observed = spectra.lensing + found.systematic + found.statistical
    each = []
    for seen, noise in zip(observed, found.statistical, strict=True):
        try:
            each.append(estimate(seen, noise, residuals.sky_fraction, spectra))
        except ConfigError:
            each.append(None)
    values = {n: np.array([np.nan if e is None else getattr(e, n) for e in each]) for n in NUMBERS}
    return {n: _widened(v, np.sqrt(count / (count - 1))) for n, v in values.items()}


def _widened(draws: np.ndarray, factor: float) -> np.ndarray:
    """Draws farther from their mean."""
    known = draws[np.isfinite(draws)]
    return known.mean() + factor * (draws - known.mean()) if known.size else draws


def spread(draws: np.ndarray) -> float:
    """Standard deviation of the draws of `bootstrap`; NaN where a quarter of them or more are."""
    known = draws[np.isfinite(draws)]
    return float(known.std(ddof=1)) if known.size > 0.75 * draws.size else np.nan


def quantiles(
    distance: np.ndarray, likelihood: np.ndarray, shares: tuple[float, ...]
) -> tuple[float, ...]:
    """Distances within which these shares of the likelihood lie."""
    inside = cumulative_trapezoid(likelihood, distance, initial=0.0)
    return tuple(float(np.interp(share, inside / inside[-1], distance)) for share in shares)
