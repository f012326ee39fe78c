"""The structured Newton fit, the default solver."""

from sweep.solvers.newton.solver import NewtonSolver

__all__ = ["NewtonSolver"]
