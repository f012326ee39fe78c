"""Errors of the instrument: data from another instrument than the one that is fitted."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sweep import draws
from sweep.units import FloatArray

STREAM = int.from_bytes(b"inst")
"""Apart from the draws of noise, which fold the realisation into the same seed at once."""


class Drawn(NamedTuple):
    """Errors of one realisation, shape (frequency,) each.

    Attributes:
        gain: relative.
        shift: of all frequencies of a band, relative.
        angle: of polarisation, degrees.
    """

    gain: FloatArray
    shift: FloatArray
    angle: FloatArray


@dataclass(frozen=True, eq=False)
class Mismatch:
    """Standard deviations of normal errors, which are independent from band to band.

    Attributes:
        sigma: of gain, shift and angle.
    """

    sigma: Drawn

    def drawn(self, seed: int, realisation: int) -> Drawn:
        """The errors at an address: another number of bands leaves the first ones as they are.

        Args:
            seed: of all realisations.
            realisation: number of the realisation, at least 0.
        """
        key = draws.fold_in(draws.fold_in(draws.key_of(seed), STREAM), realisation)
        unit = np.asarray(draws.normal(key, (len(self.sigma.gain), len(self.sigma))))
        return Drawn(*(s * u for s, u in zip(self.sigma, unit.T, strict=True)))


def distorted(maps: FloatArray, errors: Drawn) -> FloatArray:
    """Maps of the sky with their gain, turned by the angle of polarisation.

    The spectrum that a shifted band sees is not a matter of maps: the caller makes it.

    Args:
        maps: Q and U, uK_CMB, COSMO, shape (frequency, 2, pixel).
        errors: of the realisation.
    """
    turn = 2 * np.radians(errors.angle)[:, None]
    gain = 1 + errors.gain[:, None]
    q, u = maps[:, 0], maps[:, 1]
    turned = (np.cos(turn) * q - np.sin(turn) * u, np.sin(turn) * q + np.cos(turn) * u)
    return np.stack([gain * turned[0], gain * turned[1]], axis=1)
