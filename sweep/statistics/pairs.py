"""Antithetic noise: realisations 2k and 2k + 1 have the same draw with either sign.

What is linear in the noise cancels in the mean of such a pair, and its two fits know of each other:
the pair is the unit of errors, of halves and of races. Here it stands at its even number.
"""

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

SETTING = "noise.antithetic"


def antithetic(ds: "xr.Dataset") -> np.ndarray:
    """Of which experiments the noise comes in pairs, bool, shape (experiment,)."""
    if SETTING in ds.coords:
        return ds[SETTING].values == True  # noqa: E712 (1.0 and nan beside others without it)
    base = json.loads(ds.attrs.get("base", "{}"))
    return np.full(ds.sizes["experiment"], bool(base.get(SETTING, False)))


def partners(realisations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the first and of the second fit of every pair of which both are there."""
    place = {int(number): i for i, number in enumerate(realisations)}
    first = [n for n in place if n >= 0 and n % 2 == 0 and n + 1 in place]
    return np.array([place[n] for n in first], int), np.array([place[n + 1] for n in first], int)


def by_pair(
    numbers: np.ndarray, usable: np.ndarray, realisations: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means of pairs in place of the numbers of fits, where noise comes in pairs.

    Args:
        numbers: of every fit, shape (experiment, realisation).
        usable: which of them may be used, of the same shape.
        realisations: their numbers.
        which: of which experiments, shape (experiment,).

    Returns:
        Numbers and which of them may be used: the mean stands at the first of a pair, the second
        and those without a partner may not.
    """
    if not which.any():
        return numbers, usable
    first, second = partners(realisations)
    means, both = numbers.astype(np.float64), np.zeros_like(usable)
    means[:, first] = (means[:, first] + means[:, second]) / 2
    both[:, first] = usable[:, first] & usable[:, second]
    return np.where(which[:, None], means, numbers), np.where(which[:, None], both, usable)
