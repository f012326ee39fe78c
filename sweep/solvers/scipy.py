"""Bounded minimisers of scipy, run on the host one realisation after another.

jax-cadre reaches scipy through jaxopt, which loses the tolerances and returns the loss in single
precision; scipy's own interface does neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree

from sweep.problem import Observation, SpectralProblem
from sweep.programs import keeping_programs
from sweep.solvers.base import Bounds, Fit, Objective, Solution, Solver, target
from sweep.solvers.names import SCIPY_METHODS
from sweep.types import BlockParams, Params, Status

_EVALUATIONS_A_STEP = 10
"""TNC can only be capped by evaluations; its inner conjugate gradient spends several a step."""


@dataclass(frozen=True)
class ScipySolver(Solver):
    """One of `SCIPY_METHODS`, on parameters scaled to their box.

    Attributes:
        rtol, atol: scipy's `ftol` and `gtol` (`scipy_tnc`); `final_tr_radius` (`scipy_cobyqa`).
    """

    rtol: float
    atol: float

    def prepare(
        self, objective: Objective, problem: SpectralProblem, block: Observation, bounds: Bounds
    ) -> Fit:
        """See `Solver.prepare`."""
        # parameters that only pad the shapes have no pixels and would burden the minimiser
        bounds = _cut(bounds, problem.counts)
        _value_and_gradient(objective)(bounds.start, problem, _one(block, 0), bounds)

        def solve(starts: BlockParams) -> Solution:
            cut = _cut(starts, problem.counts)
            solutions = [
                self._minimise(
                    objective, problem, _one(block, i), bounds._replace(start=_one(cut, i))
                )
                for i in range(len(block.maps))
            ]
            return jax.tree.map(lambda *leaves: np.stack(leaves), *solutions)

        return solve

    def _minimise(
        self,
        objective: Objective,
        problem: SpectralProblem,
        observation: Observation,
        bounds: Bounds,
    ) -> Solution:
        start, unravel = ravel_pytree(bounds.start)
        low, high = (np.asarray(ravel_pytree(b)[0]) for b in (bounds.low, bounds.high))
        width = high - low
        evaluate = _value_and_gradient(objective)

        def to_box(unit: np.ndarray) -> Params:
            return unravel(jnp.asarray(np.clip(low + width * unit, low, high)))

        def value_and_gradient(unit: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = evaluate(to_box(unit), problem, observation, bounds)
            if not np.isfinite(value):
                raise FloatingPointError
            return float(value), np.asarray(ravel_pytree(slope)[0]) * width

        gradients = self.name == "scipy_tnc"
        cap = self.max_steps * (_EVALUATIONS_A_STEP if gradients else start.size + 1)
        try:
            result = scipy.optimize.minimize(
                value_and_gradient if gradients else lambda unit: value_and_gradient(unit)[0],
                (np.asarray(start) - low) / width,
                jac=gradients or None,
                bounds=scipy.optimize.Bounds(0.0, 1.0),  # pyright: ignore[reportArgumentType]
                method=SCIPY_METHODS[self.name],
                options=self._options(cap),
            )
        except FloatingPointError:
            return Solution(bounds.start, np.int8(Status.NONFINITE), np.int32(0), np.int32(1))  # pyright: ignore
        capped = result.nfev >= cap or result.nit >= self.max_steps
        gave_up = Status.MAX_STEPS if capped else Status.STALLED
        status = Status.CONVERGED if result.success else gave_up
        return Solution(
            to_box(np.clip(result.x, 0.0, 1.0)),
            np.int8(status),  # pyright: ignore[reportArgumentType]
            np.int32(result.nit),  # pyright: ignore[reportArgumentType]
            np.int32(result.nfev),  # pyright: ignore[reportArgumentType]
        )

    def _options(self, cap: int) -> dict[str, Any]:
        if self.name == "scipy_cobyqa":
            return {"maxiter": self.max_steps, "maxfev": cap, "final_tr_radius": self.atol}
        return {"maxfun": cap, "ftol": self.rtol, "gtol": self.atol, "xtol": 0.0}


def _one(block: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], block)


def _cut(tree: Any, counts: dict[str, int]) -> Any:
    """The same without the padding of cluster axes, which are the last of every leaf."""

    def cut(path: tuple, leaf: Any) -> Any:
        return leaf[..., : counts[path[-1].key]]

    return jax.tree_util.tree_map_with_path(cut, tree)


@keeping_programs
def _value_and_gradient(objective: Objective) -> Callable:
    return jax.jit(jax.value_and_grad(partial(target, objective)))
