"""Gaussian harmonic coefficients drawn so that resolution only adds to them."""

import healpy as hp
import numpy as np

from sweep.units import FloatArray


def unit_alms(generator: np.random.Generator, lmax: int, fields: int) -> np.ndarray:
    """Gaussian alms of unit power, C_ell = 1, for real fields on the sphere.

    Numbers are drawn multipole by multipole: with the same generator state, a larger
    `lmax` keeps the coefficients of a smaller one and appends to them.

    Args:
        generator: Source of randomness; advanced.
        lmax: Largest multipole.
        fields: How many independent fields.

    Returns:
        complex128, shape (fields, (lmax+1)(lmax+2)/2), in healpy's order.
    """
    count = hp.Alm.getsize(lmax)
    draw = generator.standard_normal((count, fields, 2)).T
    ell = np.repeat(np.arange(lmax + 1), np.arange(1, lmax + 2))
    m = np.arange(count) - ell * (ell + 1) // 2
    # alm of a real field: <|a_lm|^2> = C_ell shared by two parts, but a_l0 is real.
    values = np.where(m == 0, draw[0], (draw[0] + 1j * draw[1]) / np.sqrt(2))
    alms = np.empty((fields, count), np.complex128)
    alms[:, hp.Alm.getidx(lmax, ell, m)] = values
    return alms


def polarised_map(alm_e: np.ndarray, alm_b: np.ndarray, nside: int, lmax: int) -> FloatArray:
    """Q and U of E and B coefficients, COSMO convention, shape (2, npix)."""
    return np.stack(hp.alm2map_spin([alm_e, alm_b], nside, 2, lmax))
