"""Gaussian beams, and one resolution for all bands before the fit.

Maps are samples of the smoothed sky: no pixel window is applied or taken out.
"""

from dataclasses import dataclass
from functools import cached_property

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.units import FloatArray

ITERATIONS = 3
"""Of the analysis of a map: healpy's default."""


def window(fwhm: float, lmax: int) -> FloatArray:
    """What a Gaussian beam leaves of E and B, shape (lmax + 1,).

    Args:
        fwhm: full width at half maximum, arcmin.
        lmax: largest multipole.
    """
    return hp.gauss_beam(np.radians(fwhm / 60), lmax=lmax, pol=True)[:, 1]


def smoothed(maps: FloatArray, transfer: FloatArray) -> FloatArray:
    """Q and U on the whole sphere, shape (2, npix), their coefficients times `transfer`."""
    lmax, nside = transfer.size - 1, hp.npix2nside(maps.shape[-1])
    sphere = np.concatenate([np.zeros((1, maps.shape[-1])), maps])
    _, *alms = hp.map2alm(sphere, lmax=lmax, iter=ITERATIONS, pol=True)
    return np.stack(hp.alm2map_spin([hp.almxfl(a, transfer) for a in alms], nside, 2, lmax))


@dataclass(frozen=True, eq=False)
class Beams:
    """The beams of the bands, and that of the maps which are fitted.

    Attributes:
        fwhm: of the bands, arcmin, shape (frequency,).
        fwhm_out: of the maps, arcmin; none of the bands' is above it.
        nside: HEALPix resolution of the maps.

    Raises:
        ConfigError: the beam of a band is wider than that of the maps.
    """

    fwhm: FloatArray
    fwhm_out: float
    nside: int

    def __post_init__(self) -> None:
        widest = int(np.argmax(self.fwhm))
        if self.fwhm[widest] > self.fwhm_out:
            raise ConfigError(
                f"instrument.fwhm_out = {self.fwhm_out:g} arcmin: band {widest} has a beam of "
                f"{self.fwhm[widest]:g}, and maps cannot be sharpened; give at least that"
            )

    @property
    def lmax(self) -> int:
        """Largest multipole of smoothed maps, healpy's default: a lower one rings."""
        return 3 * self.nside - 1

    @cached_property
    def transfers(self) -> FloatArray:
        """From the maps of the bands to those that are fitted, shape (frequency, lmax + 1)."""
        out = window(self.fwhm_out, self.lmax)
        return np.stack([out / window(fwhm, self.lmax) for fwhm in self.fwhm])

    def sky(self, maps: FloatArray) -> FloatArray:
        """Maps of the sky at the resolution of the fit, uK_CMB, shape (..., 2, npix).

        The beam of a band and what is smoothed after it make `fwhm_out` together.

        Raises:
            ConfigError: a pixel is not finite, which smoothing would spread over the sphere.
        """
        if bad := np.count_nonzero(~np.isfinite(maps).reshape(-1, maps.shape[-1]).all(axis=0)):
            raise ConfigError(
                f"instrument.fwhm_out = {self.fwhm_out:g}: maps are smoothed on the whole sphere, "
                f"and the sky has {bad:,} bad pixels: fill them, or leave fwhm_out out"
            )
        transfer = window(self.fwhm_out, self.lmax)
        flat = maps.reshape(-1, *maps.shape[-2:])
        return np.stack([smoothed(each, transfer) for each in flat]).reshape(maps.shape)

    def noise(self, maps: FloatArray) -> FloatArray:
        """Noise of the bands' own maps as it is after smoothing, shape (frequency, 2, npix)."""
        return np.stack([smoothed(*pair) for pair in zip(maps, self.transfers, strict=True)])

    @cached_property
    def variance(self) -> FloatArray:
        """What smoothing leaves of the variance of white noise in a pixel, shape (frequency,)."""
        ell = np.arange(2, self.lmax + 1)
        area = hp.nside2pixarea(self.nside) / (4 * np.pi)
        return area * self.transfers[:, 2:] ** 2 @ (2 * ell + 1)
