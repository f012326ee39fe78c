"""Solvers of the spectral likelihood, all behind one interface.

A new solver is one file here, its name in `SOLVERS`, and one YAML in conf/solver.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from sweep.solvers.base import Bounds, Objective, Solution, Solver
from sweep.solvers.names import CADRE_NAMES, SCIPY_METHODS

_CLASSES = {
    "newton": ("newton", "NewtonSolver"),
    **dict.fromkeys(CADRE_NAMES, ("cadre", "CadreSolver")),
    **dict.fromkeys(SCIPY_METHODS, ("scipy", "ScipySolver")),
}


class _Solvers(Mapping[str, type[Solver]]):
    """Imports a solver when it is asked for: nobody waits for libraries that do not fit."""

    def __getitem__(self, name: str) -> type[Solver]:
        module, kind = _CLASSES[name]
        return getattr(import_module(f"sweep.solvers.{module}"), kind)

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


SOLVERS = _Solvers()
"""The class of every solver, by its name."""

__all__ = ["SOLVERS", "Bounds", "Objective", "Solution", "Solver"]
