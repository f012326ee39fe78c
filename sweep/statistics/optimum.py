"""Is a fit at a minimum? The likelihood along shifts of its parameters, and what its scan found.

The check of the published tutorial of furax-cs: all parameters are shifted together and each
alone, by equal steps of several scales; the likelihood must be lowest, and its gradient smallest,
at no shift. It sees the direction of a common shift only. What sees single clusters is the
gradient of each, and the scan of newton over the whole box.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Scalar

from sweep.errors import ConfigError
from sweep.jax_session import jax_session
from sweep.model import KNOWN
from sweep.problem import Prior, SpectralProblem, held_by_box, penalty
from sweep.problem.cells import Rows
from sweep.problem.derivatives import derivatives, row_values
from sweep.problem.sed import coordinates
from sweep.solvers.newton.system import total
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.fitted import Fitted, fitted, recorded
from sweep.types import NOT_ATTEMPTED, Params, Status

TOGETHER = "all"
"""What is shifted, where it is every parameter together."""

SMALL_GRADIENT = 1e-2
"""A cluster below it is within a hundredth of its own error of the minimum, the others held."""

BATCH = 8
"""Shifts that are evaluated side by side."""

SAME_NLL = 1e-10
"""The likelihood made again must have the recorded value, to this relative accuracy."""


class Check(NamedTuple):
    """One line of a verdict; `holds` is None where a fit was not asked."""

    holds: bool | None
    text: str

    def __str__(self) -> str:
        mark = {True: "yes", False: "NO", None: "-"}[self.holds]
        return f"{mark:<4} {self.text}"


def perturbations(
    experiment: ExperimentView,
    realisation: int = 0,
    scales: Sequence[float] = (1e-3, 1e-4),
    steps: int = 100,
) -> xr.Dataset:
    """NLL and gradient about the solution of a recorded fit, the penalty of priors included.

    At a shift, step * scale is added to the parameter of every cluster: in the
    parameter's own unit. A cluster that would leave its box stays at its end.

    Args:
        experiment: the experiment.
        realisation: its number, -1 for the noise-free fit.
        scales: sizes of a step.
        steps: from first to last shift, even: they go from -steps/2 to +steps/2.

    Returns:
        Along `scale`, `shifted` (all parameters together, then each alone) and `step`:
        `nll_difference`, NLL minus that of the solution, summed as differences of the rows;
        `gradient_norm`, root of the sum over clusters of the squared slope of NLL, further along
        `parameter`, by its own unit; slopes that push against an end of the box do not
        count. `lowest_at` is the shift of the lowest NLL; 0 where none is lower than at 0 by more
        than rounding. Attributes: what the store says of the fit, and `nll_again`.

    Raises:
        ConfigError: as `fitted`; steps are odd or scales not positive.
    """
    if steps < 2 or steps % 2:
        raise ConfigError(f"steps = {steps}: must be even and at least 2, half to each side")
    if not scales or min(scales) <= 0:
        raise ConfigError(f"scales = {tuple(scales)}: must be positive, e.g. 0.001")
    one = recorded(experiment, realisation)
    found = about(fitted(experiment, realisation), scales, steps)
    fit = ("nll", "gradient_norm", "scan_certified", "jumps", "unconstrained")
    return found.assign_attrs(
        experiment=experiment.label,
        realisation=realisation,
        status=Status(one["status"].item()).name.lower(),
        **{name: one[name].item() for name in fit},
    )


@jax_session()
def about(fit: Fitted, scales: Sequence[float], steps: int) -> xr.Dataset:
    """`perturbations` of any fit; of what a store says only `nll_again` is among the attributes."""
    names = fit.problem.model.names
    shifted = (TOGETHER, *names)
    units = ", ".join(["1", *(f"{p}: {KNOWN[p].unit}" for p in names if KNOWN[p].unit != "1")])
    step = np.arange(-(steps // 2), steps // 2 + 1)
    shift = np.multiply.outer(np.asarray(scales), step)
    which = np.array([[s in (TOGETHER, p) for p in names] for s in shifted], float)
    shifts = shift[:, None, :, None] * which[:, None, :]  # scale, shifted, step, parameter
    value, difference, norm = _along(fit, shifts.reshape(-1, len(names)))
    difference = difference.reshape(shifts.shape[:3])
    difference = difference - difference[..., step == 0]  # compiled otherwise, it rounds otherwise
    rounding = np.finfo(float).eps * float(jnp.sum(fit.rows.power))
    lowest = np.argmin(difference, axis=-1)
    lower = np.min(difference, axis=-1) < -rounding
    lines, about_lines = ("scale", "shifted", "step"), {"units": "1"}
    return xr.Dataset(
        {
            "nll_difference": (lines, difference, about_lines | {"long_name": "NLL - NLL(0)"}),
            "gradient_norm": (
                (*lines, "parameter"),
                norm.reshape(shifts.shape),
                {"units": units.replace(": ", ": 1/"), "long_name": "norm of the gradient of NLL"},
            ),
            "lowest_at": (
                lines[:2],
                np.where(lower, np.take_along_axis(shift, lowest, axis=-1), 0.0),
                {"units": units, "long_name": "shift of the lowest NLL"},
            ),
        },
        {
            "scale": np.asarray(scales),
            "shifted": list(shifted),
            "step": step,
            "parameter": list(names),
            "shift": (("scale", "step"), shift, {"units": units}),
        },
        {"nll_again": value - float(fit.rows.total)},
    )


def verdict(found: xr.Dataset) -> tuple[Check, ...]:
    """What `perturbations` and the scan of the fit say, one line a check."""
    fit = found.attrs
    slope = fit["gradient_norm"]
    return (
        Check(
            bool(abs(fit["nll_again"] - fit["nll"]) <= SAME_NLL * abs(fit["nll"])),
            f"the likelihood made again has the recorded NLL: {fit['nll_again']:.4f}, "
            f"recorded {fit['nll']:.4f}",
        ),
        Check(
            fit["status"] == Status.CONVERGED.name.lower(),
            f"the solver met its tolerances: {fit['status']}",
        ),
        *(_lowest(found.sel(shifted=s)) for s in found["shifted"].values),
        Check(
            slope < SMALL_GRADIENT,
            f"every gradient is small: at most {slope:.1e} in roots of its curvature, "
            f"limit {SMALL_GRADIENT:g}",
        ),
        _scan(fit["scan_certified"], fit["jumps"]),
    )


def _lowest(line: xr.Dataset) -> Check:
    name = str(line["shifted"].item())
    others = line["shift"].attrs["units"].removeprefix("1").removeprefix(", ")
    unit = f" ({others})" if name == TOGETHER and others else ""
    if name in KNOWN:
        unit = KNOWN[name].unit_behind
    reach = " and ".join(f"{v:g}" for v in line["shift"].max("step").values)
    where = "all parameters together" if name == TOGETHER else f"{name} alone"
    text = f"NLL is lowest at zero shift of {where}, tried up to {reach}{unit} to both sides"
    away = line["lowest_at"].values != 0
    for one in (line.isel(scale=i) for i in np.flatnonzero(away)):
        lowest, by = one["lowest_at"].item(), -one["nll_difference"].min().item()
        text += f"; lower by {by:.2g} at {lowest:+g}{unit}"
    return Check(not away.any(), text)


def _scan(certified: int, jumps: int) -> Check:
    if certified == NOT_ATTEMPTED:
        return Check(None, "no cluster alone can go lower in its box: the fit was not scanned")
    moved = f"clusters moved to a lower minimum on the way: {jumps}"
    return Check(certified == 1, f"no cluster alone can go lower in its box; {moved}")


def _along(fit: Fitted, shifts: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """chi_square of the solution, its change at every shift, and the gradient norms there.

    Shapes (shift,) and (shift, parameter), of shifts of shape (shift, parameter).
    """
    best = _at_solution(fit.problem, fit.rows, fit.params)
    padded = np.pad(shifts, ((0, -len(shifts) % BATCH), (0, 0)))
    batches = [
        _side_by_side(part, fit.problem, fit.rows, best, fit.params, fit.low, fit.high, fit.prior)
        for part in padded.reshape(-1, BATCH, shifts.shape[1])
    ]
    difference, norms = (
        np.concatenate(parts)[: len(shifts)] for parts in zip(*batches, strict=True)
    )
    return float(jnp.sum(best)), difference, norms


@jax.jit
def _at_solution(problem: SpectralProblem, rows: Rows, params: Params) -> Float[Array, " row"]:
    return row_values(problem, rows, coordinates(params, problem.model))


def _shifted(
    shift: Float[Array, " parameter"],
    problem: SpectralProblem,
    rows: Rows,
    best: Float[Array, " row"],
    params: Params,
    low: Params,
    high: Params,
    prior: Prior | None,
) -> tuple[Scalar, Float[Array, " parameter"]]:
    # a solution that lies outside its box is where it is at no shift
    names = problem.model.names
    low = {p: jnp.minimum(low[p], params[p]) for p in names}
    high = {p: jnp.maximum(high[p], params[p]) for p in names}
    x = {p: jnp.clip(params[p] + shift[i], low[p], high[p]) for i, p in enumerate(names)}
    at = derivatives(problem, rows, coordinates(x, problem.model))
    length = max(v.shape[0] for v in params.values())
    slope = total(at.gradient, problem.cells.flat_index, length)
    to_own = {
        p.name: p.coordinate.internal_derivatives(x[p.name])[0] for p in problem.model.parameters
    }
    of_prior = jax.grad(partial(penalty, prior))(x)
    norms = [
        _norm(x[p], slope[i, : x[p].shape[0]] * to_own[p] + of_prior[p], low[p], high[p])
        for i, p in enumerate(names)
    ]
    rise = penalty(prior, x) - penalty(prior, params)
    return jnp.sum(at.chi_square - best) + rise, jnp.stack(norms)


_side_by_side = jax.jit(jax.vmap(_shifted, in_axes=(0, *[None] * 7)))


def _norm(x: Array, slope: Array, low: Array, high: Array) -> Scalar:
    return jnp.linalg.norm(jnp.where(held_by_box(x, slope, low, high), 0.0, slope))
