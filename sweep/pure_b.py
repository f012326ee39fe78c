"""B modes of maps on a part of the sky, without the E modes that its edge turns into B.

Smith 2006 (astro-ph/0511629): instead of the spherical harmonics of B, maps are projected onto
these times a window that falls smoothly to zero, before the derivatives are taken, so that no E
mode is seen. Written out with fields of spin 2, 1 and 0 as in Grain, Tristram & Stompor 2009
(arXiv:0903.2350, section III) and Alonso et al. 2019 (arXiv:1809.09603, section 2.1):

    b_lm = B_lm[W P] + 2 / sqrt((l + 2)(l - 1)) B_lm[P (eth W)*] + B_lm[P (eth eth W)*] / N_l,
    N_l = sqrt((l + 2)(l + 1) l (l - 1)),

with P = Q + iU, the window W, and B_lm the coefficients of odd parity of a field of spin 2, 1, 0.
What pixels leave of E is in the mean of simulations, see `sweep.statistics.bandpowers`.
"""

from dataclasses import dataclass

import healpy as hp
import numpy as np
from scipy.spatial import KDTree

from sweep.errors import ConfigError
from sweep.spectra import ITERATIONS, LOWEST, in_our_order


@dataclass(frozen=True)
class Window:
    """A window and its derivatives, on the pixels where it is not zero.

    Attributes:
        nside: HEALPix resolution.
        pixels: RING indices, shape (pixel,).
        spin_0: the window, shape (pixel,).
        spin_1: eth of it, complex, shape (pixel,).
        spin_2: eth of that, complex, shape (pixel,).
    """

    nside: int
    pixels: np.ndarray
    spin_0: np.ndarray
    spin_1: np.ndarray
    spin_2: np.ndarray

    @property
    def power(self) -> float:
        """Mean over the sphere of the squared window: the share of the power that is seen."""
        return float(np.sum(self.spin_0**2) / hp.nside2npix(self.nside))


def window(nside: int, pixels: np.ndarray, apodisation: float) -> Window:
    """A window that is 1 well inside some pixels and falls to zero at their edge.

    Grain, Tristram & Stompor 2009, eq. 41 ("C2"): (1 - cos(pi x)) / 2 with
    x^2 = (1 - cos d) / (1 - cos apodisation), d the distance to the nearest pixel outside.

    Args:
        nside: HEALPix resolution.
        pixels: RING indices of the pixels that are kept, shape (pixel,).
        apodisation: degrees over which it falls.

    Raises:
        ConfigError: nothing of the pixels is left, or `apodisation` is not above 0.
    """
    if not apodisation > 0:
        raise ConfigError(f"apodisation = {apodisation:g} degrees: must be above 0")
    kept = np.zeros(hp.nside2npix(nside), bool)
    kept[pixels] = True
    shape = kept.astype(float)
    if not kept.all():
        outside = np.stack(hp.pix2vec(nside, np.flatnonzero(~kept)), axis=1)
        inside = np.stack(hp.pix2vec(nside, np.flatnonzero(kept)), axis=1)
        chord, _ = KDTree(outside).query(inside)
        # chord^2 = 2 (1 - cos d)
        x = np.minimum(chord / (2 * np.sin(np.radians(apodisation) / 2)), 1.0)
        shape[kept] = (1 - np.cos(np.pi * x)) / 2
    lmax = 3 * nside - 1
    alm = hp.map2alm(shape, lmax=lmax, iter=ITERATIONS, pol=False)
    ell = np.arange(lmax + 1.0)
    first = np.sqrt(ell * (ell + 1))
    second = np.sqrt(np.maximum((ell + 2) * (ell + 1) * ell * (ell - 1), 0))
    there = np.flatnonzero(shape > 0)
    if not there.size:
        raise ConfigError("no pixel is kept")
    derivatives = []
    for spin, factor in ((1, first), (2, second)):
        # healpy's coefficients of a field of spin s are minus those of its even part
        pair = [-hp.almxfl(alm, factor), np.zeros_like(alm)]
        real, imaginary = hp.alm2map_spin(pair, nside, spin, lmax)
        derivatives.append((real + 1j * imaginary)[there])
    return Window(nside, there, shape[there], *derivatives)


def pure_b(maps: np.ndarray, pixels: np.ndarray, seen: Window) -> np.ndarray:
    """Pure B coefficients of polarisation maps behind a window.

    Args:
        maps: Q and U of some pixels, shape (..., 2, pixel).
        pixels: RING indices of these, which hold those of the window, shape (pixel,).
        seen: the window.

    Returns:
        complex128, shape (..., harmonic), in the order of `sweep.spectra`; of the unit of the maps.
    """
    nside, lmax = seen.nside, 2 * seen.nside + 1
    where = np.searchsorted(pixels, seen.pixels)
    flat = np.reshape(maps, (-1, 2, len(pixels)))[..., where]
    ell = np.arange(LOWEST, lmax + 1.0)
    beside = np.zeros((2, lmax + 1))
    beside[0, LOWEST:] = 2 / np.sqrt((ell + 2) * (ell - 1))
    beside[1, LOWEST:] = 1 / np.sqrt((ell + 2) * (ell + 1) * ell * (ell - 1))
    sphere = np.zeros((2, hp.nside2npix(nside)))

    def odd(field: np.ndarray, spin: int) -> np.ndarray:
        sphere[:, seen.pixels] = np.real(field), np.imag(field)
        if spin == 0:
            return -hp.map2alm(sphere[1], lmax=lmax, iter=0, pol=False)
        return hp.map2alm_spin(sphere, spin, lmax=lmax)[1]

    found = []
    for q, u in flat:
        p = q + 1j * u
        alm = odd(p * seen.spin_0, 2)
        alm += hp.almxfl(odd(p * np.conj(seen.spin_1), 1), beside[0])
        alm += hp.almxfl(odd(p * np.conj(seen.spin_2), 0), beside[1])
        found.append(in_our_order(alm, lmax))
    return np.reshape(found, (*maps.shape[:-2], -1))
