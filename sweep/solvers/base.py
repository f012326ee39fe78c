"""The contract of a solver: a block of realisations in, one solution a realisation out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from sweep.lanes import by_realisation, over_realisations, side_by_side
from sweep.problem import Observation, Prior, SpectralProblem, expand, penalty
from sweep.problem.cells import Rows
from sweep.problem.prior import curvature
from sweep.programs import keeping_programs
from sweep.types import NOT_ATTEMPTED, BlockParams, Params

Objective = Callable[[Params, SpectralProblem, Observation], Scalar]
"""(params, problem, one realisation) to the value that is minimised."""

BlockMaps = Float[Array, "realisation frequency stokes pixel"]

Fit = Callable[[BlockParams], "Solution"]
"""From starts of the free parameters, shape (realisation, cluster), to where the fits ended."""


class Bounds(NamedTuple):
    """What is known of the parameters before the data, one entry a cluster; for every solver.

    The box is one a parameter: `low` and `high` say the same for all of its clusters.

    Attributes:
        start, low, high: of the free parameters.
        fixed: values of the others.
        prior: of the free parameters; None where there is none.
    """

    start: Params
    low: Params
    high: Params
    fixed: Params = {}  # noqa: RUF012 (a pytree; nobody writes to it)
    prior: Prior | None = None

    def whole(self, free: Params) -> Params:
        """All parameters from the free ones."""
        return {**free, **self.fixed}


def target(
    objective: Objective,
    free: Params,
    problem: SpectralProblem,
    observation: Observation,
    bounds: Bounds,
) -> Scalar:
    """What a solver minimises: the objective plus the penalty of the priors."""
    return objective(bounds.whole(free), problem, observation) + penalty(bounds.prior, free)


class Solution(NamedTuple):
    """Where the fits ended; every leaf leads with the realisation axis.

    Attributes:
        params: the free spectral parameters, shape (realisation, cluster).
        status: `sweep.types.Status` codes.
        iterations: steps taken.
        evaluations: evaluations of the objective, with or without its gradient.
        certified: whether a scan of every cluster over its box found nothing lower: 1 yes, 0 no,
            -1 where there was no scan.
        jumps: clusters that such a scan brought to a lower minimum.
    """

    params: Params
    status: Int[Array, " realisation"]
    iterations: Int[Array, " realisation"]
    evaluations: Int[Array, " realisation"]
    certified: Int[Array, " realisation"] | int = NOT_ATTEMPTED
    jumps: Int[Array, " realisation"] | int = 0


@dataclass(frozen=True)
class Solver(ABC):
    """A minimiser with its settings; hashable, so that it is static under jit.

    Attributes:
        name: the name users choose it by, e.g. `adabk0`.
        max_steps: cap on the number of steps.
        starts: how often a realisation is fitted: from the usual start, then from drawn ones.
    """

    name: str
    max_steps: int
    starts: int

    @property
    def cpu_block(self) -> int:
        """Realisations of a block on a CPU, where more gain nothing and a kill costs them all."""
        return 4

    def lanes(self, count: int) -> int:
        """How many of `count` realisations are computed at the same time."""
        return count if side_by_side() else 1

    def lane_bytes(self, problem: SpectralProblem, rows: Rows, bounds: Bounds) -> int:
        """Memory that a lane takes beside the data of its realisation; 0 leaves it to `memory.py`.

        Args:
            problem: the likelihood.
            rows: shapes of one realisation.
            bounds: start and box.
        """
        del problem, rows, bounds
        return 0

    @property
    def ignores_padding(self) -> bool:
        """Whether clusters without pixels, which let experiments share shapes, change nothing."""
        return True

    @abstractmethod
    def prepare(
        self, objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
    ) -> Fit:
        """Compile for the shapes of the arguments; the returned call only computes.

        Args:
            objective: what is minimised.
            problem: the likelihood.
            block: the realisations; every leaf leads with their axis.
            bounds: start and box.
        """


@dataclass(frozen=True)
class TracedSolver(Solver):
    """A solver written in JAX: one realisation is traced, a block is its map.

    Attributes:
        rtol, atol: tolerances, as the wrapped library defines them, on chi_square.
    """

    rtol: float
    atol: float

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
        self, objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
    ) -> Fit:
        """See `Solver.prepare`; the executable is kept for the next block of these shapes."""
        together = len(block.maps) if side_by_side() else 1
        some = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((together, *leaf.shape[1:]), leaf.dtype), block
        )
        given = (problem, some, bounds, repeated(bounds.start, together))
        leaves, structure = jax.tree.flatten(given)
        shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves)
        executable = _compile(self, objective, structure, shapes)

        def solve(some: Observation, starts: BlockParams) -> Solution:
            return executable(problem, some, bounds, starts)

        return lambda starts: jax.block_until_ready(by_realisation(solve, block, starts))


def repeated(start: Params, count: int) -> BlockParams:
    """The same start for so many realisations."""
    return {p: np.broadcast_to(np.asarray(v), (count, *np.shape(v))) for p, v in start.items()}  # pyright: ignore[reportReturnType]


def natural_scale(problem: SpectralProblem, observation: Observation, bounds: Bounds) -> Params:
    """Length over which what is minimised changes by about one at the start: curvature^-1/2.

    Never longer than the box, which is what a parameter has that the data do not constrain.
    """
    curve = expand(bounds.whole(bounds.start), problem, observation).curvature

    def scale(p: str) -> Array:
        own = jnp.abs(curve[p] + curvature(bounds.prior, p)) ** -0.5
        return jnp.minimum(own, bounds.high[p] - bounds.low[p])

    return {p: scale(p) for p in bounds.start}


@keeping_programs
def _compile(
    solver: TracedSolver,
    objective: Objective,
    structure: Any,
    shapes: tuple[jax.ShapeDtypeStruct, ...],
) -> jax.stages.Compiled:
    def of_block(
        problem: SpectralProblem, block: Observation, bounds: Bounds, starts: BlockParams
    ) -> Solution:
        def one(given: tuple[Observation, Params]) -> Solution:
            realisation, start = given
            own = bounds._replace(start=start)
            scale = natural_scale(problem, realisation, own)
            return solver.minimise(
                lambda free: target(objective, free, problem, realisation, own), own, scale
            )

        return over_realisations(one)((block, starts))

    with redirect_stdout(None):  # jax-cadre prints while it is traced; our output may be read
        lowered = jax.jit(of_block).lower(*jax.tree.unflatten(structure, shapes))
    return lowered.compile()
