"""The solvers of jax-cadre (arXiv:2604.08463): ADABK, active set, optax and optimistix.

cadre hands over an optimistix minimiser; we run it with optimistix's own loop and only count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from cadre import get_solver
from jaxtyping import Array, Bool, Int, PyTree, Scalar

from sweep.solvers.base import Bounds, Solution, TracedSolver
from sweep.types import Params, Status

_UNBOUNDED = (
    "optimistix_bfgs",
    "optimistix_lbfgs",
    "optimistix_ncg_pr",
    "optimistix_ncg_hs",
    "optimistix_ncg_fr",
    "optimistix_ncg_dy",
)
"""Solvers without bounds of their own: they get the box by a change of variables."""

CADRE_NAMES = (
    *(f"adabk{k}" for k in range(10)),
    "active_set",
    "active_set_sgd",
    "active_set_adabelief",
    "active_set_adaw",
    "optax_lbfgs",
    "adam",
    "sgd",
    "adabelief",
    "adaw",
    *_UNBOUNDED,
)


@dataclass(frozen=True)
class CadreSolver(TracedSolver):
    """One of `CADRE_NAMES`.

    Attributes:
        max_linesearch_steps: cap on the evaluations of one line search.
    """

    max_linesearch_steps: int

    def minimise(self, objective: Callable[[Params], Scalar], bounds: Bounds) -> Solution:
        """See `TracedSolver.minimise`."""
        if self.name in _UNBOUNDED:
            to_box, from_box = _logistic(bounds)
        else:
            to_box = from_box = _identity

        def value(y: PyTree, _: None) -> tuple[Scalar, Scalar]:
            loss = objective(to_box(y))
            return loss, loss

        minimiser = _Counting.around(self._minimiser(bounds))
        solution = optx.minimise(
            value,
            minimiser,
            from_box(bounds.start),
            has_aux=True,
            max_steps=self.max_steps,
            throw=False,
        )
        status = jnp.select(
            [
                solution.result == optx.RESULTS.successful,
                solution.result == optx.RESULTS.nonlinear_max_steps_reached,
            ],
            [jnp.int8(Status.CONVERGED), jnp.int8(Status.MAX_STEPS)],
            jnp.int8(Status.NONFINITE),
        )
        return Solution(
            params=to_box(solution.value),
            status=status,
            iterations=jnp.int32(solution.stats["num_steps"]),
            evaluations=solution.state.evaluations,
        )

    def _minimiser(self, bounds: Bounds) -> optx.AbstractMinimiser:
        if self.name in _UNBOUNDED:
            return get_solver(self.name, rtol=self.rtol, atol=self.atol)[0]  # pyright: ignore
        return get_solver(  # pyright: ignore[reportReturnType]
            self.name.replace("adabk", "ADABK"),  # pyright: ignore[reportArgumentType]
            rtol=self.rtol,
            atol=self.atol,
            lower=bounds.low,
            upper=bounds.high,
            max_linesearch_steps=self.max_linesearch_steps,
        )[0]


class _CountingState(eqx.Module):
    inner: PyTree
    loss: Scalar
    evaluations: Int[Array, ""]


class _Counting(optx.AbstractMinimiser):
    """Counts the evaluations of a minimiser and stops it when its objective is not finite.

    The auxiliary output of the objective must be its value.
    """

    rtol: float
    atol: float
    norm: Callable[[PyTree], Scalar]
    inner: optx.AbstractMinimiser

    @classmethod
    def around(cls, inner: optx.AbstractMinimiser) -> "_Counting":
        return cls(inner.rtol, inner.atol, inner.norm, inner)

    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> _CountingState:  # noqa: ANN001, D102
        inner = self.inner.init(fn, y, args, options, f_struct, aux_struct, tags)
        return _CountingState(inner, jnp.zeros(f_struct.shape, f_struct.dtype), jnp.int32(0))

    def step(self, fn, y, args, options, state, tags) -> tuple[PyTree, _CountingState, Any]:  # noqa: ANN001, D102
        y, inner, loss = self.inner.step(fn, y, args, options, state.inner, tags)
        evaluations = state.evaluations + 1 + _line_search_evaluations(inner)
        return y, _CountingState(inner, loss, evaluations), loss

    def terminate(  # noqa: D102
        self,
        fn,
        y,
        args,
        options,
        state,
        tags,  # noqa: ANN001
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        done, result = self.inner.terminate(fn, y, args, options, state.inner, tags)
        result = optx.RESULTS.where(jnp.isfinite(state.loss), result, optx.RESULTS.nonfinite)
        return done, result

    def postprocess(self, fn, y, aux, args, options, state, tags, result) -> tuple:  # noqa: ANN001, D102
        return self.inner.postprocess(fn, y, aux, args, options, state.inner, tags, result)


def _line_search_evaluations(state: PyTree) -> Int[Array, ""]:
    """Evaluations that the line searches inside an optax state made in the last step."""
    counts = [
        node.num_linesearch_steps
        for node in jax.tree.leaves(state, is_leaf=lambda x: hasattr(x, "num_linesearch_steps"))
        if hasattr(node, "num_linesearch_steps")
    ]
    return jnp.sum(jnp.array([0, *counts], jnp.int32), dtype=jnp.int32)


def _identity(params: Params) -> Params:
    return params


def _logistic(bounds: Bounds) -> tuple[Callable[[Params], Params], Callable[[Params], Params]]:
    """Maps between the box and the whole real line, smooth, so that no step can leave the box."""

    def to_box(y: Params) -> Params:
        return {
            p: bounds.low[p] + (bounds.high[p] - bounds.low[p]) * jax.nn.sigmoid(y[p]) for p in y
        }

    def from_box(params: Params) -> Params:
        return {
            p: jax.scipy.special.logit(
                (params[p] - bounds.low[p]) / (bounds.high[p] - bounds.low[p])
            )
            for p in params
        }

    return to_box, from_box
