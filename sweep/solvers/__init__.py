"""Solvers of the spectral likelihood, all behind one interface.

A new solver is one file here that registers itself in `SOLVERS`, and one YAML in conf/solver.
"""

from collections.abc import Mapping

from sweep.solvers.base import Bounds, Objective, Solution, Solver
from sweep.solvers.cadre import CADRE_NAMES, CadreSolver
from sweep.solvers.newton import NewtonSolver
from sweep.solvers.scipy import SCIPY_METHODS, ScipySolver

SOLVERS: Mapping[str, type[Solver]] = {
    "newton": NewtonSolver,
    **dict.fromkeys(CADRE_NAMES, CadreSolver),
    **dict.fromkeys(SCIPY_METHODS, ScipySolver),
}

__all__ = [
    "SOLVERS",
    "Bounds",
    "CadreSolver",
    "NewtonSolver",
    "Objective",
    "ScipySolver",
    "Solution",
    "Solver",
]
