"""Harmonic coefficients and power spectra of maps on a part of the sky.

Coefficients a_lm are kept multipole by multipole, l = 2 first and m = 0 to l in each, so that those
of a lower resolution are the beginning of those of a higher one. Maps are zero outside the mask, so
that coefficients of disjoint masks add up to those of their union.
"""

from functools import lru_cache

import healpy as hp
import numpy as np

from sweep.mask import Mask

LOWEST = 2
"""The lowest multipole of a polarisation map."""

ITERATIONS = 3
"""Of the analysis of a map: healpy's default, as in published spectra."""


def multipoles(nside: int) -> np.ndarray:
    """The multipoles of spectra at a resolution: 2 to 2 nside + 1."""
    return np.arange(LOWEST, 2 * nside + 2)


def harmonic_count(nside: int) -> int:
    """Number of coefficients of a field at a resolution."""
    return int(np.sum(multipoles(nside) + 1))


def harmonics(maps: np.ndarray, nside: int, pixels: np.ndarray) -> np.ndarray:
    """E and B coefficients of polarisation maps that are zero outside `pixels`.

    Args:
        maps: Q and U of the kept pixels, shape (..., 2, pixel).
        nside: HEALPix resolution.
        pixels: RING indices of the kept pixels, shape (pixel,).

    Returns:
        complex128, shape (..., 2, harmonic): E, then B; of the unit of the maps. NaN where a map
        is not finite.
    """
    lmax = 2 * nside + 1
    order = _healpy_order(lmax)
    flat = np.reshape(maps, (-1, 2, len(pixels)))
    found = np.full((len(flat), 2, order.size), np.nan, dtype=np.complex128)
    sphere = np.zeros((3, hp.nside2npix(nside)))
    for seen, alms in zip(flat, found, strict=True):
        if np.isfinite(seen).all():
            sphere[1:, pixels] = seen
            _, alm_e, alm_b = hp.map2alm(sphere, lmax=lmax, iter=ITERATIONS, pol=True)
            alms[:] = alm_e[order], alm_b[order]
    return found.reshape(*maps.shape[:-2], 2, order.size)


def residual_arrays(residual: np.ndarray, mask: Mask, spectra: bool) -> dict[str, np.ndarray]:
    """What a store keeps of residuals, shape (realisation, stokes, pixel), uK_CMB.

    Args:
        residual: recovered minus true CMB of the kept pixels.
        mask: The kept pixels.
        spectra: whether to compute spectra and coefficients too; they cost tens of ms a map.
    """
    arrays = {
        "residual_variance": residual.var(axis=-1).sum(axis=-1),
        "sky_fraction": np.full(len(residual), mask.sky_fraction),
    }
    if spectra:
        alms = harmonics(residual * mask.weights, mask.nside, mask.pixels)
        cl = power(alms) / mask.sky_fraction
        arrays |= {"ee_residual": cl[:, 0], "bb_residual": cl[:, 1]}
        arrays |= {"elm_residual": alms[:, 0], "blm_residual": alms[:, 1]}
    return arrays


def power(alms: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Power spectra, or cross spectra with `others`, of fields given by their coefficients.

    Args:
        alms: shape (..., harmonic).
        others: of a shape that broadcasts with it.

    Returns:
        C_ell = sum over m of Re(a_lm b_lm*) / (2l + 1), shape (..., multipole), not corrected for
        the mask.
    """
    others = alms if others is None else others
    ell, starts, weights = _axis(alms.shape[-1])
    product = np.real(alms * np.conj(others)) * weights
    return np.add.reduceat(product, starts, axis=-1) / (2 * ell + 1)


@lru_cache(maxsize=8)
def _axis(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multipoles, where each begins, and how often each coefficient counts."""
    # count = (lmax+1)(lmax+2)/2 - 3
    lmax = round((np.sqrt(8 * (count + 3) + 1) - 3) / 2)
    ell = np.arange(LOWEST, lmax + 1)
    starts = np.concatenate([[0], np.cumsum(ell + 1)[:-1]])
    weights = np.full(count, 2.0)
    weights[starts] = 1.0  # m = 0 has no twin at -m
    return ell, starts, weights


def in_our_order(alm: np.ndarray, lmax: int) -> np.ndarray:
    """Coefficients of healpy, shape (..., harmonic of healpy), as this module orders them."""
    return alm[..., _healpy_order(lmax)]


@lru_cache(maxsize=4)
def _healpy_order(lmax: int) -> np.ndarray:
    """Positions of our coefficients among healpy's, which run m by m."""
    ell = np.repeat(np.arange(LOWEST, lmax + 1), np.arange(LOWEST, lmax + 1) + 1)
    m = np.concatenate([np.arange(each + 1) for each in range(LOWEST, lmax + 1)])
    return np.asarray(hp.Alm.getidx(lmax, ell, m))
