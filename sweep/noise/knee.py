"""White noise and 1/f noise beside it: N_l = N_w (1 + (l / l_knee)^alpha), alpha below 0.

The convention of the Simons Observatory (arXiv:1808.07445, eq. 1), with the same N_w in E and B.
The part that is not white is drawn in harmonic space. The likelihood takes all for white, of the
variance that both parts have in a pixel.
"""

import healpy as hp
import numpy as np

from sweep import draws
from sweep.noise.base import Noise
from sweep.noise.white import white_noise_at
from sweep.types import FrequencyMaps
from sweep.units import FloatArray

_RED = 1
"""Behind seed and realisation in the address of what is drawn here; bands follow it."""


def knee_noise(
    seed: int, ratio: float, sigma: np.ndarray, red: np.ndarray, nside: int, pixels: np.ndarray
) -> Noise:
    """White noise and another of any spectrum; a band without that is white.

    Args:
        seed: of all realisations; the white part is that of `white_noise`.
        ratio: of what is added to what the likelihood takes; 0 adds none.
        sigma: standard deviation of the white part in a pixel, uK_CMB, shape (frequency,).
        red: N_l of the other part, uK_CMB^2, to l = 3 nside - 1, shape (frequency, multipole).
        nside: HEALPix resolution.
        pixels: RING indices, shape (pixel,).
    """

    def draw(realisation: int) -> FrequencyMaps:
        noise = white_noise_at(seed, realisation, ratio * sigma, nside, pixels)
        for band in np.flatnonzero(red.any(axis=1)):
            drawn = red_maps(seed, realisation, int(band), ratio**2 * red[band], nside)
            noise = noise.at[band].add(drawn[:, pixels])
        return noise

    if not red.any():
        return Noise(draw if ratio else None, sigma, None, None)
    white = sigma[:, None] ** 2 * hp.nside2pixarea(nside)
    total = np.sqrt(sigma**2 + pixel_variance(red))
    return Noise(draw if ratio else None, total, None, white + red)


def red_spectrum(
    white: float, ell_knee: float, alpha_knee: float, lowest: int, lmax: int
) -> FloatArray:
    """N_l less N_w, of the unit of `white`, shape (multipole,); 0 below `lowest`."""
    spectrum, ell = np.zeros(lmax + 1), np.arange(lowest, lmax + 1)
    if ell_knee > 0:
        spectrum[lowest:] = white * (ell / ell_knee) ** alpha_knee
    return spectrum


def pixel_variance(spectra: np.ndarray) -> FloatArray:
    """Variance of Q, and of U, in a pixel where E and B have these spectra, shape (frequency,)."""
    ell = np.arange(spectra.shape[-1])
    return np.sum((2 * ell + 1)[2:] / (4 * np.pi) * spectra[..., 2:], axis=-1)


def red_maps(
    seed: int, realisation: int, band: int, spectrum: np.ndarray, nside: int
) -> FloatArray:
    """Q and U of a band on the sphere, whose E and B have a spectrum, shape (2, npix).

    The address of the draw is (seed, realisation, band): that of no other band changes it.
    """
    lmax = spectrum.size - 1
    key = draws.fold_in(draws.fold_in(draws.key_of(seed), realisation), _RED)
    ell, m = hp.Alm.getlm(lmax)
    unit = np.asarray(draws.normal(draws.fold_in(key, band), (2, 2, ell.size)))
    # of a real field: <|a_lm|^2> = C_l shared by two parts, but a_l0 is real
    alms = np.where(m == 0, unit[:, 0], (unit[:, 0] + 1j * unit[:, 1]) / np.sqrt(2))
    return np.stack(hp.alm2map_spin(list(alms * np.sqrt(spectrum[ell])), nside, 2, lmax))
