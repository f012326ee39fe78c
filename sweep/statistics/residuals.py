"""Residuals of the recovered CMB in harmonic space: total, systematic and statistical power.

A residual is recovered minus true CMB, r_i = s + n_i in realisation i: s, the systematic part, is
there without noise too; n_i, the statistical part, is the noise and what it does to the fit. The
power of the mean of R realisations is that of s and 1/R of that of n: both estimators here are free
of that bias. They do not estimate the same: the noise-free fit does not see what noise does to the
fit on average, see docs/science.md, so that experiments are compared by one of them only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import xarray as xr

from sweep.cache import Arrays
from sweep.errors import MissingError
from sweep.estimators import NAMES, NEEDED, Estimator
from sweep.mask import Mask
from sweep.spectra import harmonics, power
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.kept import content_of, kept
from sweep.statistics.pairs import antithetic, partners
from sweep.statistics.recovered import residual_of
from sweep.store import NOISELESS

Field = Literal["E", "B"]
FIELDS: tuple[Field, ...] = get_args(Field)


@dataclass(frozen=True)
class Spectra:
    """Power of residuals, uK_CMB^2 over the sky fraction, shape (..., multipole).

    Attributes:
        total: mean over realisations of the power of r_i.
        systematic: power of s, by an `Estimator`.
        statistical: mean power of the n_i.
    """

    total: np.ndarray
    systematic: np.ndarray
    statistical: np.ndarray


@dataclass(frozen=True)
class Residuals:
    """Harmonic coefficients of the residuals of one field, zero outside the mask.

    Attributes:
        label: of the experiment.
        sky_fraction: kept share of the sphere.
        realisations: numbers of the usable realisations, ascending, shape (realisation,).
        alms: shape (realisation, harmonic), uK_CMB, in the order of `sweep.spectra`.
        noiseless: those of the noise-free fit, shape (harmonic,); None where there is none.
        odd: where noise is antithetic, and a realisation is a pair of which `alms` is the mean,
            half of the difference of the two, (realisation, harmonic); None where it is not.
        fwhm: beam of the maps, arcmin; 0 without.
    """

    label: str
    sky_fraction: float
    realisations: np.ndarray
    alms: np.ndarray
    noiseless: np.ndarray | None
    odd: np.ndarray | None = None
    fwhm: float = 0.0

    @property
    def nside(self) -> int:
        """Resolution of the maps."""
        return round((np.sqrt(8 * (self.alms.shape[1] + 3) + 1) - 5) / 4)

    def missing(self, estimator: Estimator) -> str:
        """What is missing for an estimator, in words; empty where nothing is."""
        count = len(self.realisations)
        if estimator == "noise_free" and self.noiseless is None:
            return "the noise-free estimate needs a usable noise-free fit (noise.noiseless=true)"
        if count < NEEDED[estimator]:
            return (
                f"{count} usable realisations; the {NAMES[estimator]} estimate needs "
                f"{NEEDED[estimator]} (noise.realisations)"
            )
        return ""

    def spectra(self, estimator: Estimator, weights: np.ndarray | None = None) -> Spectra:
        """Their power.

        Args:
            estimator: `cross`: s is seen in what different realisations have in common;
                `noise_free`: it is the residual of the noise-free fit, and the n_i are the
                differences to it.
            weights: how often each realisation counts, shape (..., realisation); once by default.

        Raises:
            ConfigError: there are too few realisations, or there is no noise-free fit.
        """
        if missing := self.missing(estimator):
            raise MissingError(self.label, missing)
        count = len(self.realisations)
        weights = np.ones(count) if weights is None else np.asarray(weights, float)
        share = weights / weights.sum(axis=-1, keepdims=True)
        total = share @ self._power
        if estimator == "noise_free":
            assert self.noiseless is not None
            systematic = power(self.noiseless) / self.sky_fraction
            statistical = share @ self._scatter
            systematic = np.broadcast_to(systematic, statistical.shape)
        else:
            # sum over pairs i != j of w_i w_j r_i r_j, also where a resampling repeats one
            mean = share.astype(self.alms.dtype) @ self.alms
            own = np.sum(share**2, axis=-1, keepdims=True)
            both = power(mean) / self.sky_fraction - share**2 @ self._own
            with np.errstate(invalid="ignore"):  # one realisation all the time: NaN
                systematic = both / (1 - own)
            statistical = total - systematic
        return Spectra(total, systematic, statistical)

    @cached_property
    def _own(self) -> np.ndarray:
        """Power of what a realisation, or the mean of a pair, has."""
        return power(self.alms) / self.sky_fraction

    @cached_property
    def _power(self) -> np.ndarray:
        return self._own + self._of_difference

    @cached_property
    def _scatter(self) -> np.ndarray:
        return power(self.alms - self.noiseless) / self.sky_fraction + self._of_difference

    @cached_property
    def _of_difference(self) -> np.ndarray | float:
        return 0.0 if self.odd is None else power(self.odd) / self.sky_fraction

    def select(self, realisations: Sequence[int] | np.ndarray) -> "Residuals":
        """Those of some of the realisations, by their numbers."""
        kept = np.isin(self.realisations, realisations)
        odd = None if self.odd is None else self.odd[kept]
        return replace(self, realisations=self.realisations[kept], alms=self.alms[kept], odd=odd)


def read_residuals(experiment: ExperimentView, field: Field = "B") -> Residuals:
    """Residuals of one experiment: what workers kept, else of the maps, see `recovered_cmb`.

    Args:
        experiment: the experiment.
        field: E or B.

    Raises:
        ConfigError: there is no usable fit; or coefficients were not kept (`store.spectra=alm`)
            and maps cannot be had, as `recovered_cmb` says.
    """
    numbers = experiment.realisations
    if not numbers.size:
        raise experiment.missing("no usable fit")
    one = experiment.stored.sel(realisation=numbers)
    alms = _kept_alms(one, field)
    if not len(alms):
        alms = _alms_of_maps(experiment, field)
    noiseless = alms[numbers == NOISELESS]
    realisations, noisy, odd = numbers[numbers >= 0], alms[numbers >= 0], None
    if antithetic(experiment.ds)[experiment.position]:
        first, second = partners(realisations)
        realisations = realisations[first]
        noisy, odd = (noisy[first] + noisy[second]) / 2, (noisy[first] - noisy[second]) / 2
    return Residuals(
        label=experiment.label,
        sky_fraction=float(one["sky_fraction"].values[0]),
        realisations=realisations,
        alms=noisy,
        noiseless=noiseless[0] if len(noiseless) else None,
        odd=odd,
        fwhm=beam_of(experiment),
    )


def beam_of(experiment: ExperimentView) -> float:
    """Beam of the maps of an experiment, arcmin; 0 without."""
    if experiment.setting("instrument.path") is None:
        return float(experiment.setting("instrument.fwhm_out") or 0.0)
    from sweep.assemble.data import build_instrument

    return build_instrument(experiment.configuration).fwhm_out or 0.0


def _kept_alms(one: xr.Dataset, field: Field) -> np.ndarray:
    """Coefficients that workers kept, complex128, shape (realisation, harmonic); else empty."""
    name = f"{field.lower()}lm_residual"
    alms = one[name].values if name in one else np.zeros((0, 0))
    there = np.isfinite(alms)
    width = there.any(axis=0)  # other experiments of the store may have a higher nside
    if not (width.any() and there[:, width].all()):
        return np.zeros((0, 0), np.complex128)
    return alms[:, width].astype(np.complex128)


def _alms_of_maps(experiment: ExperimentView, field: Field) -> np.ndarray:
    """Coefficients of the residual maps, complex128, shape (realisation, harmonic)."""
    numbers = experiment.realisations

    def made() -> Arrays:
        residual, mask = residual_of(experiment, numbers.tolist()), _mask_of(experiment)
        both = harmonics(residual * mask.weights, mask.nside, mask.pixels)
        return {"alms": both[:, FIELDS.index(field)]}

    key = {"field": field, **content_of(experiment, numbers)}
    return kept("alms", key, made)["alms"]


def _mask_of(experiment: ExperimentView) -> Mask:
    from sweep.assemble.data import build_mask  # imports jax

    return build_mask(experiment.configuration)
