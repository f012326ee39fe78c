"""The contract of a solver: a block of realisations in, one solution a realisation out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from sweep.problem import SpectralProblem
from sweep.types import Params

Objective = Callable[[Params, SpectralProblem, Array], Scalar]
"""(params, problem, maps of one realisation) to the value that is minimised."""

BlockMaps = Float[Array, "realisation frequency stokes pixel"]


class Bounds(NamedTuple):
    """Start value and box, one entry a cluster; the same for every solver."""

    start: Params
    low: Params
    high: Params


class Solution(NamedTuple):
    """Where the fits ended; every leaf leads with the realisation axis.

    Attributes:
        params: spectral parameters, shape (realisation, cluster).
        status: `sweep.types.Status` codes.
        iterations: steps taken.
        evaluations: evaluations of the objective, with or without its gradient.
    """

    params: Params
    status: Int[Array, " realisation"]
    iterations: Int[Array, " realisation"]
    evaluations: Int[Array, " realisation"]


@dataclass(frozen=True)
class Solver(ABC):
    """A minimiser with its settings; hashable, so that it is static under jit.

    Attributes:
        name: the name users choose it by, e.g. `adabk0`.
        max_steps: cap on the number of steps.
        rtol, atol: tolerances, as the wrapped library defines them, on chi_square.
    """

    name: str
    max_steps: int
    rtol: float
    atol: float

    @abstractmethod
    def prepare(
        self, objective: Objective, problem: SpectralProblem, maps: BlockMaps, bounds: Bounds
    ) -> Callable[[], Solution]:
        """Compile for the shapes of the arguments; the returned call only computes."""


@dataclass(frozen=True)
class TracedSolver(Solver):
    """A solver written in JAX: one realisation is traced, a block is its vmap."""

    @abstractmethod
    def minimise(self, objective: Callable[[Params], Scalar], bounds: Bounds) -> Solution:
        """Minimise for one realisation; the leaves have no realisation axis."""

    def prepare(
        self, objective: Objective, problem: SpectralProblem, maps: BlockMaps, bounds: Bounds
    ) -> Callable[[], Solution]:
        """See `Solver.prepare`; the executable is kept for the next block of these shapes."""
        arguments = (problem, maps, bounds)
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        executable = _compile(self, objective, structure, shapes)
        return lambda: jax.block_until_ready(executable(*arguments))


@lru_cache(maxsize=32)
def _compile(
    solver: TracedSolver,
    objective: Objective,
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
) -> jax.stages.Compiled:
    def block(problem: SpectralProblem, maps: BlockMaps, bounds: Bounds) -> Solution:
        def one(realisation: Array) -> Solution:
            return solver.minimise(lambda p: objective(p, problem, realisation), bounds)

        return jax.vmap(one)(maps)

    return jax.jit(block).lower(*jax.tree.unflatten(structure, shapes)).compile()
