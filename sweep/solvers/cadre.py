"""The solvers of jax-cadre (arXiv:2604.08463): ADABK, active set, optax and optimistix.

cadre hands over an optimistix minimiser; we run it with optimistix's own loop and only count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from cadre import get_solver
from jaxtyping import Array, Bool, Int, PyTree, Scalar

from sweep.solvers.base import Bounds, Solution, TracedSolver
from sweep.solvers.names import UNBOUNDED
from sweep.types import Params, Status

_SELF_CONDITIONED = ("adabk", "active_set")
"""Solvers that scale parameters by their box and rescale the objective as they go."""

_ROUNDING = 1e-12
"""Share of the box within which a parameter is at its end."""


@dataclass(frozen=True)
class CadreSolver(TracedSolver):
    """One of `CADRE_NAMES`.

    Attributes:
        max_linesearch_steps: cap on the evaluations of one line search.
        learning_rate: step of adam, adabelief and adaw, in units of the natural scale.
    """

    max_linesearch_steps: int
    learning_rate: float

    @property
    def ignores_padding(self) -> bool:
        """See `Solver.ignores_padding`: ADABK releases a share of all parameters a step."""
        return not self.name.startswith(_SELF_CONDITIONED)

    def minimise(
        self, objective: Callable[[Params], Scalar], bounds: Bounds, scale: Params
    ) -> Solution:
        """See `TracedSolver.minimise`."""
        frame = self._frame(bounds, scale)

        def value(y: PyTree, _: None) -> tuple[Scalar, Scalar]:
            loss = objective(frame.to_box(y))
            return loss, loss

        minimiser = _Counting.around(self._minimiser(frame))
        solution = optx.minimise(
            value,
            minimiser,
            frame.start,
            has_aux=True,
            max_steps=self.max_steps,
            throw=False,
        )
        status = jnp.select(
            [
                solution.result == optx.RESULTS.successful,
                solution.result == optx.RESULTS.nonlinear_max_steps_reached,
                solution.result == optx.RESULTS.nonfinite,
            ],
            [jnp.int8(s) for s in (Status.CONVERGED, Status.MAX_STEPS, Status.NONFINITE)],
            jnp.int8(Status.STALLED),
        )
        return Solution(
            params=frame.result(solution.value, bounds),
            status=status,
            iterations=jnp.int32(solution.stats["num_steps"]),
            evaluations=solution.state.evaluations,
        )

    def _frame(self, bounds: Bounds, scale: Params) -> "_Frame":
        if self.name in UNBOUNDED:
            return _unbounded_frame(bounds, scale)
        if self.name.startswith(_SELF_CONDITIONED):
            return _Frame(lambda y: y, bounds.start, bounds.low, bounds.high)
        return _scaled_frame(bounds, scale)

    def _minimiser(self, frame: "_Frame") -> optx.AbstractMinimiser:
        name: Any = self.name.replace("adabk", "ADABK")
        box = {}
        if self.name not in UNBOUNDED:
            box = {
                "lower": frame.low,
                "upper": frame.high,
                "max_linesearch_steps": self.max_linesearch_steps,
                "learning_rate": self.learning_rate,
            }
        if self.name.startswith("active_set"):
            # cadre's default for these, backtracking, ends far from the minimum: see docs/decisions
            box["linesearch"] = "zoom"
        minimiser: Any = get_solver(name, rtol=self.rtol, atol=self.atol, **box)[0]
        return minimiser


class _Frame(NamedTuple):
    """The variables y that a minimiser works in."""

    to_box: Callable[[Params], Params]
    start: Params
    low: Params | None
    high: Params | None

    def result(self, y: Params, bounds: Bounds) -> Params:
        """Parameters at `y`; one that rounding took off an end of its box is put back there."""
        params = self.to_box(y)
        if self.low is None or self.high is None:
            return {p: jnp.clip(params[p], bounds.low[p], bounds.high[p]) for p in y}
        for end, there in ((self.low, bounds.low), (self.high, bounds.high)):
            width = {p: self.high[p] - self.low[p] for p in y}
            at_end = {p: jnp.abs(y[p] - end[p]) <= _ROUNDING * width[p] for p in y}
            params = {p: jnp.where(at_end[p], there[p], params[p]) for p in y}
        return params


def _scaled_frame(bounds: Bounds, scale: Params) -> _Frame:
    """Every parameter in units of its natural scale, so that first steps have the right size."""
    start = bounds.start

    def to_box(y: Params) -> Params:
        return {p: start[p] + scale[p] * y[p] for p in y}

    def from_box(params: Params) -> Params:
        return {p: (params[p] - start[p]) / scale[p] for p in params}

    return _Frame(to_box, *map(from_box, (start, bounds.low, bounds.high)))


def _unbounded_frame(bounds: Bounds, scale: Params) -> _Frame:
    """The box stretched over the real line by the logistic function; slope `scale` at the start."""
    width = {p: bounds.high[p] - bounds.low[p] for p in scale}
    unit = {p: (bounds.start[p] - bounds.low[p]) / width[p] for p in scale}
    slope = {p: scale[p] / (width[p] * unit[p] * (1 - unit[p])) for p in scale}

    def to_box(y: Params) -> Params:
        z = {p: jax.scipy.special.logit(unit[p]) + slope[p] * y[p] for p in y}
        return {p: bounds.low[p] + width[p] * jax.nn.sigmoid(z[p]) for p in y}

    return _Frame(to_box, {p: jnp.zeros_like(v) for p, v in bounds.start.items()}, None, None)


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
