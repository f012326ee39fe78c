"""The contract of a solver: a block of realisations in, one solution a realisation out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from sweep.problem import SpectralProblem, curvature
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

    @property
    def ignores_padding(self) -> bool:
        """Whether clusters without pixels, which let experiments share shapes, change nothing."""
        return True

    @abstractmethod
    def prepare(
        self, objective: Objective, problem: SpectralProblem, maps: BlockMaps, bounds: Bounds
    ) -> Callable[[], Solution]:
        """Compile for the shapes of the arguments; the returned call only computes."""


@dataclass(frozen=True)
class TracedSolver(Solver):
    """A solver written in JAX: one realisation is traced, a block is its vmap."""

    @abstractmethod
    def minimise(
        self, objective: Callable[[Params], Scalar], bounds: Bounds, scale: Params
    ) -> Solution:
        """Minimise for one realisation; the leaves have no realisation axis.

        Args:
            objective: what is minimised.
            bounds: start and box.
            scale: natural length of every parameter, see `natural_scale`.
        """

    def prepare(
        self, objective: Objective, problem: SpectralProblem, maps: BlockMaps, bounds: Bounds
    ) -> Callable[[], Solution]:
        """See `Solver.prepare`; the executable is kept for the next block of these shapes."""
        arguments = (problem, maps, bounds)
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        executable = _compile(self, objective, structure, shapes)
        return lambda: jax.block_until_ready(executable(*arguments))


def natural_scale(problem: SpectralProblem, maps: Array, bounds: Bounds) -> Params:
    """Length over which chi_square changes by about one at the start: curvature^-1/2.

    Never longer than the box, which is what a parameter has that the data do not constrain.
    """
    curve = curvature(bounds.start, problem, maps)
    return {
        p: jnp.minimum(jnp.abs(curve[p]) ** -0.5, bounds.high[p] - bounds.low[p]) for p in curve
    }


@lru_cache(maxsize=32)
def _compile(
    solver: TracedSolver,
    objective: Objective,
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
) -> jax.stages.Compiled:
    def block(problem: SpectralProblem, maps: BlockMaps, bounds: Bounds) -> Solution:
        def one(realisation: Array) -> Solution:
            scale = natural_scale(problem, realisation, bounds)
            return solver.minimise(lambda p: objective(p, problem, realisation), bounds, scale)

        return jax.vmap(one)(maps)

    with redirect_stdout(None):  # jax-cadre prints while it is traced; our output may be read
        lowered = jax.jit(block).lower(*jax.tree.unflatten(structure, shapes))
    return lowered.compile()
