"""The spectral likelihood: what a solver minimises."""

from sweep.problem.likelihood import (
    NLL_TO_COVARIANCE,
    Observation,
    chi_square,
    components,
    expand,
    held_by_box,
    nll,
    observe,
    observe_block,
)
from sweep.problem.prior import Prior, penalty
from sweep.problem.sed import SpectralProblem
from sweep.problem.weights import PixelWeights

__all__ = [
    "NLL_TO_COVARIANCE",
    "Observation",
    "PixelWeights",
    "Prior",
    "SpectralProblem",
    "chi_square",
    "components",
    "expand",
    "held_by_box",
    "nll",
    "observe",
    "observe_block",
    "penalty",
]
