"""The two estimators of the systematic residual, which are never mixed in a comparison."""

from typing import Literal, get_args

Estimator = Literal["cross", "noise_free"]
"""What different realisations have in common, or the residual of the noise-free fit.

The noise-free fit does not see what noise does to a fit on average. The cross estimate does, and is
noisier. docs/science.md has figures.
"""

ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
"""The first is the usual one."""

NEEDED: dict[Estimator, int] = {"cross": 2, "noise_free": 1}
"""Usable realisations that an estimator needs; `noise_free` needs the noise-free fit too."""

NAMES: dict[Estimator, str] = {"cross": "cross", "noise_free": "noise-free"}
"""Estimators in words."""
