"""The spectral likelihood: what a solver minimises."""

from sweep.problem.likelihood import (
    Observation,
    chi_square,
    components,
    expand,
    nll,
    observe,
    observe_block,
)
from sweep.problem.sed import SpectralProblem

__all__ = [
    "Observation",
    "SpectralProblem",
    "chi_square",
    "components",
    "expand",
    "nll",
    "observe",
    "observe_block",
]
