"""Newton steps from a point down to its minimum, one evaluation a tick.

Damped as by Marquardt (1963): what a step gained of what it had promised sets the next damping.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Scalar

from sweep.problem.cells import Cells, Rows
from sweep.problem.derivatives import Derivatives, derivatives
from sweep.problem.sed import Spectral, SpectralProblem
from sweep.problem.vectors import triangle
from sweep.solvers.newton.box import Box
from sweep.solvers.newton.constants import CONSTANTS
from sweep.solvers.newton.step import newton_step
from sweep.solvers.newton.system import System, assemble


class Descent(NamedTuple):
    """Where a descent is.

    Attributes:
        x, at: the lowest point so far, and the likelihood about it.
        system: the sums of `at` over clusters, with the priors.
        trial: the point that is evaluated next.
        predicted: decrease that the step to `trial` promises; infinite where it must be taken.
        damping: of the next step.
        lost: steps in a row whose decrease is below rounding.
        steps, evaluations: counts of the whole fit.
    """

    x: Spectral
    at: Derivatives
    system: System
    trial: Spectral
    predicted: Scalar
    damping: Scalar
    lost: Int[Array, ""]
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]


def begin(start: Spectral, cells: Cells) -> Descent:
    """A descent that is about to evaluate its start."""
    (parameters, n_rows), dtype = cells.flat_index.shape, start.dtype
    pairs = len(triangle(parameters))
    count, flat = jnp.int32(0), jnp.zeros_like(start)
    of_rows, none = jnp.zeros(n_rows, dtype), jnp.zeros((), dtype)
    return Descent(
        x=jnp.full_like(start, jnp.nan),  # nowhere yet
        at=Derivatives(
            of_rows, *(jnp.zeros((k, n_rows), dtype) for k in (parameters, pairs, pairs))
        ),
        system=System(flat, flat, flat, jnp.zeros(start.shape, bool), none),
        trial=start,
        predicted=none + jnp.inf,
        damping=none + CONSTANTS.first_damping,
        lost=count,
        steps=count,
        evaluations=count,
    )


def moved(descent: Descent, to: Spectral) -> Descent:
    """The same fit, about to descend from another point, whether that is lower or not."""
    return descent._replace(
        trial=to, predicted=jnp.full_like(descent.predicted, jnp.inf), lost=jnp.int32(0)
    )


def evaluate(descent: Descent, rows: Rows, problem: SpectralProblem, box: Box) -> Descent:
    """Evaluate the trial point, and take it where it is as good as promised, or must be taken."""
    new = derivatives(problem, rows, descent.trial)
    of_data = jnp.sum(descent.at.chi_square - new.chi_square)
    decrease = of_data - jnp.sum(box.rise(descent.x, descent.trial))
    forced = jnp.isinf(descent.predicted)
    lost = ~forced & (jnp.abs(descent.predicted) <= rounding(rows))
    good = (descent.predicted > 0) & (decrease > CONSTANTS.enough * descent.predicted)
    take = forced | lost | good
    ratio = jnp.where(good, decrease / descent.predicted, 0.0)
    at = jax.tree.map(lambda a, b: jnp.where(take, a, b), new, descent.at)
    x = jnp.where(take, descent.trial, descent.x)
    return descent._replace(
        x=x,
        at=at,
        system=assemble(at, x, problem.cells, box),
        damping=_next_damping(descent.damping, forced, lost, ratio),
        lost=jnp.where(lost, descent.lost + 1, 0),
        steps=descent.steps + ~forced,
        evaluations=descent.evaluations + 1,
    )


def _next_damping(damping: Scalar, forced: Array, lost: Array, ratio: Array) -> Scalar:
    raised = 10.0 * jnp.maximum(damping, CONSTANTS.least_raised_damping)
    poor, good, very_good = (
        ratio < CONSTANTS.poor,
        ratio > CONSTANTS.good,
        ratio > CONSTANTS.very_good,
    )
    return jnp.select(
        [forced, lost, poor, very_good, good],
        [CONSTANTS.first_damping, 0.1 * damping, raised, 0.01 * damping, 0.1 * damping],
        damping,
    )


def step(descent: Descent, problem: SpectralProblem, box: Box) -> Descent:
    """Choose the next point by a Newton step."""
    newton = newton_step(descent.at, descent.system, descent.x, problem.cells, box, descent.damping)
    trial = jnp.clip(descent.x + newton.change, box.low, box.high)
    return descent._replace(trial=trial, predicted=newton.predicted)


def is_settled(descent: Descent, tolerance: Scalar | float) -> Bool[Array, ""]:
    """Whether the point is a minimum, or rounding ends the descent."""
    return (descent.system.norm < tolerance) | (descent.lost > CONSTANTS.lost_steps)


def is_finite(descent: Descent) -> Bool[Array, ""]:
    """Whether the likelihood is a number where the descent is."""
    return jnp.isfinite(jnp.sum(descent.at.chi_square))


def rounding(rows: Rows) -> Scalar:
    """Differences of chi_square that are lost in rounding."""
    return CONSTANTS.rounding * jnp.sum(rows.power)
