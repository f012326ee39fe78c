"""Every solver recovers parameters that are constant within clusters from noiseless maps."""

from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from sweep.fit import fit_block, objective_of
from sweep.problem import chi_square, observe
from sweep.solvers import SOLVERS, Bounds
from sweep.solvers.base import TracedSolver
from sweep.types import Params, Status
from tests.problems import PARAMETERS, TRUTH, bounds, problem_and_signal

# (max_steps, largest relative error of a parameter, how it ends). First-order methods need their
# steps; weight decay keeps the two adaw from the minimum; two of the nonlinear conjugate
# gradients crawl, and where another stops, 7e-8 or 1.2e-5 from the truth, is decided by rounding.
# newton stops at a gradient of 1e-6. Measured: 9e-11 (optax_lbfgs) to 1.2e-2 (optimistix_ncg_dy).
EXPECTED = {
    "newton": (100, 1e-7, Status.CONVERGED),
    **{f"adabk{k}": (4000, 1e-5, Status.CONVERGED) for k in range(10)},
    "active_set": (4000, 1e-5, Status.CONVERGED),
    "active_set_adabelief": (4000, 1e-5, Status.CONVERGED),
    "active_set_sgd": (20000, 1e-4, Status.CONVERGED),
    "active_set_adaw": (4000, 2e-3, Status.MAX_STEPS),
    "optax_lbfgs": (2000, 1e-8, Status.CONVERGED),
    "adam": (20000, 1e-5, Status.CONVERGED),
    "adabelief": (20000, 1e-5, Status.CONVERGED),
    "adaw": (20000, 1e-3, Status.MAX_STEPS),
    "sgd": (20000, 1e-4, Status.MAX_STEPS),
    "optimistix_bfgs": (2000, 1e-8, Status.CONVERGED),
    "optimistix_lbfgs": (2000, 1e-8, Status.CONVERGED),
    "optimistix_ncg_pr": (2000, 1e-4, Status.CONVERGED),
    "optimistix_ncg_fr": (20000, 1e-5, Status.CONVERGED),
    "optimistix_ncg_hs": (20000, 2e-2, Status.MAX_STEPS),
    "optimistix_ncg_dy": (20000, 2e-2, Status.MAX_STEPS),
    "scipy_tnc": (2000, 1e-3, Status.CONVERGED),
    "scipy_cobyqa": (2000, 1e-4, Status.CONVERGED),
}


USUAL = {
    *("newton", "optax_lbfgs", "scipy_tnc", "scipy_cobyqa", "adabk0", "active_set"),
    "optimistix_lbfgs",
}
"""One of each family. Others are compiled as slowly, and differ in how a library steps."""


def make(name, *overrides):
    conf = sweep.compose([f"solver={name}", *overrides]).solver
    return SOLVERS[name](**asdict(conf))


def test_no_solver_is_left_out():
    assert set(EXPECTED) == set(SOLVERS)


@pytest.mark.parametrize(
    "name", [n if n in USUAL else pytest.param(n, marks=pytest.mark.soak) for n in EXPECTED]
)
def test_recovers_the_truth(name):
    """Rows are pixels: without noise chi_square falls to zero, which their residuals resolve.

    Cells know it as a difference of two powers, to 1e-9 here, and line searches end in that.
    """
    max_steps, tolerance, status = EXPECTED[name]
    problem, signal, cmb = problem_and_signal("pixels")
    solver = make(name, f"solver.max_steps={max_steps}")
    result = fit_block(solver, chi_square, problem, signal[None], bounds())
    assert result.status[0] == status
    for p in PARAMETERS:
        np.testing.assert_allclose(result.params[p][0], TRUTH[p], rtol=tolerance)
    # the CMB is as good as the parameters: amplitudes here are of order 1 to 100 uK
    np.testing.assert_allclose(result.cmb[0], cmb, atol=10 * tolerance)
    assert 0 < result.iterations[0] <= max_steps
    assert result.evaluations[0] >= result.iterations[0]


@pytest.mark.parametrize("form", ["cells", "pixels"])
def test_newton_takes_the_tolerance_that_it_is_asked_for(form):
    problem, signal, cmb = problem_and_signal(form)
    solver = make("newton", "solver.tolerance=1e-9")
    result = fit_block(solver, chi_square, problem, signal[None], bounds())
    assert result.status[0] == Status.CONVERGED
    for p in PARAMETERS:
        np.testing.assert_allclose(result.params[p][0], TRUTH[p], rtol=1e-10)
    np.testing.assert_allclose(result.cmb[0], cmb, atol=1e-9)


def test_cells_lose_no_more_than_the_rounding_of_their_power():
    """Pixels, whose chi_square falls to zero, tell what is left of it where cells end."""
    problem, signal, _ = problem_and_signal("cells")
    result = fit_block(make("optax_lbfgs"), chi_square, problem, signal[None], bounds())
    assert result.status[0] == Status.CONVERGED
    pixels, _, _ = problem_and_signal("pixels")
    seen = observe(pixels, signal)
    left = chi_square({p: jnp.asarray(v[0]) for p, v in result.params.items()}, pixels, seen)
    assert 0 <= left < np.finfo(float).eps * jnp.sum(seen.rows.power)


def test_furax_as_objective_ends_at_the_same_minimum():
    """Not of newton, which knows the derivatives of the closed form only; configuration says so."""
    problem, signal, _ = problem_and_signal()
    solver = make("optax_lbfgs")
    result = fit_block(solver, objective_of("furax"), problem, signal[None], bounds())
    for p in PARAMETERS:
        np.testing.assert_allclose(result.params[p][0], TRUTH[p], rtol=1e-4)


def test_a_cap_on_steps_is_a_status():
    problem, signal, _ = problem_and_signal()
    solver = make("optax_lbfgs", "solver.max_steps=2")
    result = fit_block(solver, chi_square, problem, signal[None], bounds())
    assert result.status[0] == Status.MAX_STEPS
    assert result.iterations[0] == 2


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - USUAL))
def test_every_other_solver_is_at_least_traced(name):
    """Its name leads to a minimiser that takes an objective in a box: all but the compilation."""
    solver, ends = make(name), bounds()
    assert isinstance(solver, TracedSolver)

    def objective(params: Params) -> jax.Array:
        return jnp.sum(jnp.concatenate([v**2 for v in params.values()]))

    scale = {p: jnp.ones_like(v) for p, v in ends.start.items()}
    solution = jax.eval_shape(lambda *given: solver.minimise(objective, *given), ends, scale)
    expected = {p: v.shape for p, v in ends.start.items()}
    assert {p: v.shape for p, v in solution.params.items()} == expected


@pytest.mark.parametrize(
    "name", ["newton", "optax_lbfgs", "adabk0", "optimistix_lbfgs", "scipy_tnc", "scipy_cobyqa"]
)
def test_a_truth_outside_the_box_ends_at_its_wall(name):
    # as above, so that programs are compiled once
    problem, signal, _ = problem_and_signal("pixels")
    start, lower, upper, *_ = bounds()
    low, high = 0.35, 1.61
    assert low + (high - low) > high  # rounding alone must not take a fit out of its box
    lower["beta_dust"], upper["beta_dust"] = jnp.full(6, low), jnp.full(6, high)
    box = Bounds(start, lower, upper)
    solver = make(name, f"solver.max_steps={EXPECTED[name][0]}")
    result = fit_block(solver, chi_square, problem, signal[None], box)
    assert Status(result.status[0]).usable
    for p in PARAMETERS:
        assert np.all(result.params[p] >= lower[p])
        assert np.all(result.params[p] <= upper[p])
    np.testing.assert_allclose(result.params["beta_dust"][0, -1], high, rtol=1e-6)
