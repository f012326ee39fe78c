"""A synthetic Galactic sky from a seed: offline, at any resolution, in a second.

Dust and synchrotron are random power-law fields under the profile of a slab, sized to look
like the PySM 2 models d1 and s1. They are no substitute for real templates in a forecast.
"""

from dataclasses import dataclass

import healpy as hp
import numpy as np

from sweep.cache import Cache
from sweep.errors import ConfigError
from sweep.sky.base import ParametricForegrounds, Sky, check_nside
from sweep.sky.cmb import cmb_realisation, cmb_spectra
from sweep.sky.harmonics import polarised_map, unit_alms
from sweep.units import FloatArray

REFERENCE_LMAX = 1024
"""Random fields have unit variance over multipoles 2 to this: the same scale at every nside."""

STREAMS = 5
"""Of random numbers that a seed spawns here; those of `other_laws` come after them."""

B_TO_E_POWER = 0.5
"""Power of B over E in dust and synchrotron, Planck 2018 XI (arXiv:1801.04945), section 4."""

ORDERED_HEIGHT = 0.2
"""|sin b| over which the field ordered along the plane fades, as in d1 and s1. That field
polarises across the plane: Q > 0."""

RANDOM_RMS = 0.8
"""Random Q and U over the ordered Q of the plane: gives d1's and s1's medians off the plane."""

BULGE = 0.4
"""Relative brightening towards the Galactic centre, and dimming away from it."""


@dataclass(frozen=True)
class Emission:
    """A polarised foreground: amplitude / (|sin b| + height), times a random field.

    The slab is plane-parallel, its emission goes as csc |b|, with a height that keeps the
    plane finite. Amplitudes (uK_RJ) and heights fit d1's and s1's medians by latitude.
    """

    nu0: float
    amplitude: float
    height: float
    slope: float


# Slopes of C_ell: Planck 2018 XI (arXiv:1801.04945) for dust, S-PASS (arXiv:1802.01145) for
# synchrotron.
DUST = Emission(nu0=353.0, amplitude=2.0, height=0.03, slope=-2.42)
_SYNCHROTRON = Emission(nu0=30.0, amplitude=7.2, height=0.3, slope=-2.8)


@dataclass(frozen=True)
class _Index:
    """A spectral parameter: mean and scatter over the sky, and the range it is held in.

    Means, scatters and ranges are those of d1 and s1. `smoothing` in degrees: s1's index
    comes from a 5 degree map (Miville-Deschenes 2008, arXiv:0802.3345).
    """

    mean: float
    scatter: float
    low: float
    high: float
    smoothing: float


_INDEX_SLOPE = -2.6  # C_ell of d1's parameter maps falls with -2.2 (index) to -2.9 (temperature)
_BETA_DUST = _Index(mean=1.54, scatter=0.05, low=1.2, high=1.9, smoothing=0.0)
_TEMP_DUST = _Index(mean=20.9, scatter=1.8, low=14.0, high=31.0, smoothing=0.0)
_BETA_PL = _Index(mean=-3.0, scatter=0.06, low=-3.3, high=-2.7, smoothing=5.0)


def synthetic_sky(nside: int, seed: int, r: float, cmb_seed: int, cache: Cache) -> Sky:
    """Draw a sky: dust, synchrotron, their parameter maps and a CMB.

    The same inputs give the same bits; the same seeds at another nside give the same large
    scales.

    Args:
        nside: HEALPix resolution, a power of two.
        seed: Of the foregrounds, at least 0.
        r: Tensor-to-scalar ratio of the CMB.
        cmb_seed: Of the CMB, at least 0.
        cache: For the CAMB spectra.

    Returns:
        The sky; amplitudes at 353 GHz (dust) and 30 GHz (synchrotron).

    Raises:
        ConfigError: nside is no power of two, a seed is negative, or r is negative.
    """
    check_nside(nside)
    for name, value in (("seed", seed), ("cmb_seed", cmb_seed)):
        if value < 0:
            raise ConfigError(f"sky.{name} = {value}: must be at least 0")
    streams = np.random.SeedSequence(seed).spawn(STREAMS)
    dust, synchrotron, *indices = (np.random.default_rng(stream) for stream in streams)
    beta_dust, temp_dust, beta_pl = (
        _index_map(index, nside, generator)
        for index, generator in zip((_BETA_DUST, _TEMP_DUST, _BETA_PL), indices, strict=True)
    )
    model = ParametricForegrounds(
        dust=emission_map(DUST, nside, dust),
        synchrotron=emission_map(_SYNCHROTRON, nside, synchrotron),
        dust_nu0=DUST.nu0,
        synchrotron_nu0=_SYNCHROTRON.nu0,
        beta_dust=beta_dust,
        temp_dust=temp_dust,
        beta_pl=beta_pl,
    )
    cmb = cmb_realisation(cmb_spectra(r, 2 * nside, cache), nside, cmb_seed)
    return Sky(nside=nside, cmb=cmb, model=model, drawn=None)


def emission_map(emission: Emission, nside: int, generator: np.random.Generator) -> FloatArray:
    """Q and U at the reference frequency, uK_RJ, shape (2, npix); the generator is advanced."""
    lmax = 2 * nside
    # Q, and U, have half of the summed power of E and B.
    scale = _amplitudes(emission.slope, 0.0, lmax) * np.sqrt(2 / (1 + B_TO_E_POWER))
    alm_e, alm_b = unit_alms(generator, lmax, fields=2)
    random = polarised_map(
        hp.almxfl(alm_e, scale), hp.almxfl(alm_b, np.sqrt(B_TO_E_POWER) * scale), nside, lmax
    )
    x, _, z = hp.pix2vec(nside, np.arange(hp.nside2npix(nside)))
    profile = emission.amplitude / (np.abs(z) + emission.height) * (1 + BULGE * x)
    ordered = np.stack([np.exp(-np.abs(z) / ORDERED_HEIGHT), np.zeros_like(z)])
    return profile * (ordered + RANDOM_RMS * random)


def _index_map(index: _Index, nside: int, generator: np.random.Generator) -> FloatArray:
    lmax = 2 * nside
    scale = _amplitudes(_INDEX_SLOPE, index.smoothing, lmax)
    alm = hp.almxfl(unit_alms(generator, lmax, fields=1)[0], scale)
    field = hp.alm2map(alm, nside, lmax=lmax)
    return np.clip(index.mean + index.scatter * field, index.low, index.high)


def _amplitudes(slope: float, smoothing: float, lmax: int) -> FloatArray:
    """The root of C_ell ~ ell^slope, smoothed, (lmax+1,): of a scalar field of unit variance."""
    ell = np.arange(max(lmax, REFERENCE_LMAX) + 1)
    spectrum = np.zeros(ell.size)
    spectrum[2:] = ell[2:] ** slope
    spectrum *= hp.gauss_beam(np.radians(smoothing), lmax=ell[-1]) ** 2
    power = (2 * ell + 1) * spectrum / (4 * np.pi)
    return np.sqrt(spectrum / power[: REFERENCE_LMAX + 1].sum())[: lmax + 1]
