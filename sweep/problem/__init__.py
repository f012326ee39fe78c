"""The spectral likelihood: what a solver minimises."""

from sweep.problem.likelihood import chi_square, components, curvature, gradient, nll
from sweep.problem.sed import SpectralProblem

__all__ = ["SpectralProblem", "chi_square", "components", "curvature", "gradient", "nll"]
