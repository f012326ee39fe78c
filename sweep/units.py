"""Physical constants and emission laws, as plain numpy functions.

The constants are furax's (`furax.obs.operators._seds`), so that a sky built here and a
mixing matrix built there agree to the last digits.
"""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

T_CMB = 2.7255
"""CMB temperature in K: Fixsen 2009 (arXiv:0911.1955), the value in astropy's Planck15."""

_PLANCK = 6.62607015e-34  # J s, exact: SI brochure of 2019, table 1, as the next
_BOLTZMANN = 1.380649e-23  # J/K

H_OVER_K_GHZ: float = _PLANCK * 1e9 / _BOLTZMANN
"""h/k in K/GHz: `H_OVER_K_GHZ * frequency / temperature` has no unit."""


LOWEST_GHZ, HIGHEST_GHZ = 1.0, 3000.0
"""Bands of microwaves and dust; below and beyond, a frequency is one in another unit."""


def frequency_problem(value: float) -> str | None:
    """What is wrong with a frequency in GHz, and its likely unit; None where it is right."""
    if LOWEST_GHZ <= value <= HIGHEST_GHZ:
        return None
    expected = f"must be {LOWEST_GHZ:g} to {HIGHEST_GHZ:g} GHz"
    for unit, ghz in (("THz", 1e3), ("MHz", 1e-3), ("kHz", 1e-6), ("Hz", 1e-9)):
        if LOWEST_GHZ <= value * ghz <= HIGHEST_GHZ:
            return f"{expected}; it looks like {unit}, give {value * ghz:g}"
    return expected


def rj_to_cmb(frequency: Any, xp: ModuleType = np) -> Any:
    """Factor from K_RJ to K_CMB.

    With x = h nu / (k T_CMB): (e^x - 1)^2 / (x^2 e^x), eq. 8 of Planck 2013 IX
    (arXiv:1303.5070) for a narrow band.

    Args:
        frequency: GHz, any shape.
        xp: The array module; `jax.numpy` where `frequency` is traced.

    Returns:
        The factor, an array of `xp` of the same shape.
    """
    x = H_OVER_K_GHZ * xp.asarray(frequency, float) / T_CMB
    return xp.expm1(x) ** 2 / (xp.exp(x) * x**2)


def modified_black_body(
    frequency: ArrayLike, nu0: float, beta: ArrayLike, temperature: ArrayLike
) -> FloatArray:
    """Dust emission in uK_RJ, relative to `nu0`.

    (nu/nu0)^(beta+1) * (exp(h nu0/kT) - 1) / (exp(h nu/kT) - 1): eq. 1 of Planck 2015 X
    (arXiv:1502.01588).

    Args:
        frequency: GHz, shape (F,) or ().
        nu0: Reference frequency in GHz.
        beta: Spectral index, shape (npix,) or ().
        temperature: K, of a shape that broadcasts with `beta`.

    Returns:
        The ratio, shape: that of `frequency`, then that of the parameters.
    """
    beta, temperature = np.broadcast_arrays(
        np.asarray(beta, np.float64), np.asarray(temperature, np.float64)
    )
    nu = _outer(frequency, beta.ndim)
    planck = np.expm1(H_OVER_K_GHZ * nu0 / temperature) / np.expm1(H_OVER_K_GHZ * nu / temperature)
    return (nu / nu0) ** (beta + 1) * planck


def power_law(frequency: ArrayLike, nu0: float, beta: ArrayLike) -> FloatArray:
    """Synchrotron emission in uK_RJ, relative to `nu0`: (nu/nu0)^beta.

    Args:
        frequency: GHz, shape (F,) or ().
        nu0: Reference frequency in GHz.
        beta: Spectral index, shape (npix,) or ().

    Returns:
        The ratio, shape: that of `frequency`, then that of `beta`.
    """
    beta = np.asarray(beta, np.float64)
    return (_outer(frequency, beta.ndim) / nu0) ** beta


def _outer(frequency: ArrayLike, ndim: int) -> FloatArray:
    nu = np.asarray(frequency, np.float64)
    return nu.reshape(nu.shape + (1,) * ndim)
