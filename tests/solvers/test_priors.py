"""Priors, fixed values and drawn starts, for every kind of solver."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep.fit import SAME, fit_block
from sweep.problem import Prior, chi_square, observe, penalty
from sweep.solvers import Bounds
from sweep.solvers.starts import drawn_starts
from sweep.statistics.curvature import errors_of
from sweep.statistics.fitted import Fitted
from sweep.types import Status
from tests.problems import COUNTS, PARAMETERS, TRUTH, bounds, problem_and_signal
from tests.solvers.test_newton import make, noisy

WIDTH = {"beta_dust": 0.02, "temp_dust": 0.5, "beta_pl": 0.05}
OFF = {"beta_dust": 0.03, "temp_dust": -1.0, "beta_pl": 0.1}
"""How far the means of the priors are off the start, so that they pull."""


def with_prior(ends, scale: float = 1.0, *without: str):
    chosen = [p for p in ends.start if p not in without]
    mean = {p: ends.start[p] + OFF[p] for p in chosen}
    precision = {p: jnp.full(COUNTS[p], (scale * WIDTH[p]) ** -2.0) for p in chosen}
    return ends._replace(prior=Prior(mean, precision))


def with_fixed(ends, **fixed: float):
    start, low, high = ({p: v for p, v in part.items() if p not in fixed} for part in ends[:3])
    values = {p: jnp.full(COUNTS[p], v) for p, v in fixed.items()}
    return Bounds(start, low, high, values, ends.prior)


@cache
def sky():
    problem, signal, _ = problem_and_signal()
    return problem, noisy(problem, signal, 2)


@pytest.mark.parametrize(
    ("other", "fixed"),
    [
        pytest.param("optax_lbfgs", {}, marks=pytest.mark.soak),
        ("scipy_tnc", {"temp_dust": 21.0}),
    ],
)
def test_every_solver_minimises_likelihood_plus_prior(other: str, fixed: dict[str, float]) -> None:
    problem, maps = sky()
    ends = with_prior(with_fixed(bounds(), **fixed), 1.0)
    ours, theirs = (fit_block(make(s), chi_square, problem, maps, ends) for s in ("newton", other))
    assert np.all(ours.status == Status.CONVERGED)
    assert np.all(ours.penalty > 1.0)
    total = [r.nll + r.penalty for r in (ours, theirs)]
    np.testing.assert_allclose(*total, rtol=0, atol=1e-6)
    for p in PARAMETERS:
        np.testing.assert_allclose(ours.params[p], theirs.params[p], rtol=3e-5)
        if p in fixed:
            assert np.all(ours.params[p] == fixed[p])
    # nll stays the likelihood's own, and the penalty is that of what was found
    params = {p: jnp.asarray(ours.params[p][0]) for p in PARAMETERS}
    seen = observe(problem, maps[0])
    alone = float(jax.jit(chi_square)(params, problem, seen) - seen.rows.total)
    np.testing.assert_allclose(ours.nll[0], alone, rtol=1e-13)
    np.testing.assert_allclose(ours.penalty[0], penalty(ends.prior, params), rtol=1e-10)


def test_a_prior_of_infinite_width_changes_nothing() -> None:
    problem, maps = sky()
    free = fit_block(make(), chi_square, problem, maps, bounds())
    wide = fit_block(make(), chi_square, problem, maps, with_prior(bounds(), 1e9))
    np.testing.assert_allclose(wide.penalty, 0.0, atol=1e-12)
    for p in PARAMETERS:
        np.testing.assert_allclose(wide.params[p], free.params[p], rtol=1e-8)


def test_a_prior_of_no_width_is_a_fixed_value() -> None:
    problem, maps = sky()
    narrow = with_prior(bounds(), 1e-6, "beta_dust", "beta_pl")
    held = with_fixed(bounds(), temp_dust=20.0 + OFF["temp_dust"])
    ours, theirs = (fit_block(make(), chi_square, problem, maps, e) for e in (narrow, held))
    for p in PARAMETERS:
        np.testing.assert_allclose(ours.params[p], theirs.params[p], rtol=1e-7)


def test_the_posterior_of_one_parameter_is_that_of_a_grid() -> None:
    """All else fixed, so that clusters are independent: mode and width, cluster by cluster."""
    problem, maps = sky()
    ends = with_prior(with_fixed(bounds(), beta_dust=1.54, temp_dust=20.0))
    found = fit_block(make(), chi_square, problem, maps, ends)
    rest = {p: jnp.full(COUNTS[p], v) for p, v in (("beta_dust", 1.54), ("temp_dust", 20.0))}
    seen = observe(problem, maps[0])
    params = {p: jnp.asarray(v[0]) for p, v in found.params.items()}
    low, high = ({**params, "beta_pl": end["beta_pl"]} for end in (ends.low, ends.high))
    sigma = errors_of(Fitted(problem, seen.rows, params, low, high, ends.prior))["beta_pl"]
    for cluster in range(COUNTS["beta_pl"]):
        grid = found.params["beta_pl"][0, cluster] + np.linspace(-6, 6, 401) * sigma[cluster]

        def value(at: jax.Array, cluster: int = cluster) -> jax.Array:
            moved = rest | {"beta_pl": params["beta_pl"].at[cluster].set(at)}
            return chi_square(moved, problem, seen) + penalty(ends.prior, moved)

        values = np.asarray(jax.jit(lambda g, one=value: jax.lax.map(one, g))(jnp.asarray(grid)))
        density = np.exp(-0.5 * (values - values.min()))
        density /= density.sum()
        mean = density @ grid
        np.testing.assert_allclose(grid[np.argmin(values)], grid[200], atol=0.02 * sigma[cluster])
        np.testing.assert_allclose(np.sqrt(density @ (grid - mean) ** 2), sigma[cluster], rtol=0.02)
        assert sigma[cluster] < WIDTH["beta_pl"]


def test_no_single_cluster_goes_lower_with_priors_either() -> None:
    """Faint foregrounds, so that scans jump: against the value with one cluster moved."""
    problem, signal, _ = problem_and_signal()
    maps = noisy(problem, 0.02 * signal, 2)
    ends = with_prior(bounds(), 40.0)
    found = fit_block(make(), chi_square, problem, maps, ends)
    assert np.all(found.scan_certified == 1)
    value = jax.jit(lambda x, seen: chi_square(x, problem, seen) + penalty(ends.prior, x))
    for i in range(len(maps)):
        seen = observe(problem, maps[i])
        params = {p: jnp.asarray(found.params[p][i]) for p in PARAMETERS}
        best = value(params, seen)
        for p in PARAMETERS:
            for place in np.linspace(ends.low[p][0], ends.high[p][0], 25):
                moved = {**params, p: params[p].at[0].set(place)}
                assert value(moved, seen) > best - 1e-3


def test_everything_fixed_is_evaluated() -> None:
    problem, maps = sky()
    ends = with_fixed(bounds(), beta_dust=1.54, temp_dust=20.0, beta_pl=-3.0)
    found = fit_block(make(), chi_square, problem, maps, ends)
    seen = observe(problem, maps[0])
    expected = chi_square(ends.fixed, problem, seen) - seen.rows.total
    np.testing.assert_allclose(found.nll[0], expected, rtol=1e-13)
    assert found.status.tolist() == [Status.CONVERGED] * 2
    assert found.evaluations.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["newton", pytest.param("scipy_tnc", marks=pytest.mark.soak)])
def test_the_lowest_of_several_starts_is_kept(name: str) -> None:
    problem, signal, _ = problem_and_signal()
    maps = noisy(problem, 0.01 * signal, 2)
    solver, ends = make(name, "solver.max_steps=40"), bounds()
    further = [drawn_starts(ends, 3, (0, 1), number) for number in (1, 2, 3)]
    each = [fit_block(solver, chi_square, problem, maps, ends)]
    each += [
        fit_block(solver, chi_square, problem, maps[i : i + 1], ends._replace(start=start))
        for begin in further
        for i, start in enumerate({p: jnp.asarray(v[i]) for p, v in begin.items()} for i in (0, 1))
    ]
    alone = np.stack(
        [each[0].nll, *(np.concatenate([each[k].nll, each[k + 1].nll]) for k in (1, 3, 5))]
    )
    together = fit_block(solver, chi_square, problem, maps, ends, further)
    rise = alone - alone.min(axis=0)
    np.testing.assert_allclose(together.nll, alone.min(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(together.starts_elsewhere, np.sum(rise > SAME, axis=0))
    np.testing.assert_allclose(together.starts_rise, rise.max(axis=0), rtol=1e-3, atol=1e-6)
    assert each[0].starts_elsewhere.tolist() == [-1, -1]
    assert np.all(np.isnan(each[0].starts_rise))
    assert np.all(together.evaluations > each[0].evaluations)


def test_starts_depend_on_their_address_only() -> None:
    ends = bounds()
    block = drawn_starts(ends, 3, (-1, 0, 5), 1)
    alone = drawn_starts(ends, 3, (5,), 1)
    start, low, high = (
        {p: jnp.pad(v, (0, 9), mode="edge") for p, v in e.items()} for e in ends[:3]
    )
    longer = Bounds(start, low, high)
    padded = drawn_starts(longer, 3, (5,), 1)
    for p in PARAMETERS:
        np.testing.assert_array_equal(block[p][2], alone[p][0])
        np.testing.assert_array_equal(padded[p][0, : COUNTS[p]], alone[p][0])
        assert np.all((block[p] >= ends.low[p]) & (block[p] <= ends.high[p]))
    others = [(4, 5, 1), (3, 6, 1), (3, 5, 2)]
    drawn = [drawn_starts(ends, seed, (r,), k)["beta_dust"] for seed, r, k in [(3, 5, 1), *others]]
    assert len({tuple(np.asarray(d).ravel()) for d in drawn}) == 4


def test_swapped_components_are_suspect() -> None:
    """From a start with the roles swapped a fit ends there, converged; from the usual one not."""
    problem, signal, _ = problem_and_signal()
    good = fit_block(make(), chi_square, problem, signal[None], bounds())
    assert good.suspect.tolist() == [0]
    assert good.at_bound.tolist() == [0.0]
    ends = bounds()
    box = ends._replace(
        start={**ends.start, "beta_pl": jnp.full(COUNTS["beta_pl"], -0.6)},
        low={**ends.low, "beta_pl": jnp.full(COUNTS["beta_pl"], -0.9)},
    )
    swapped = fit_block(make(), chi_square, problem, signal[None], box)
    assert swapped.suspect[0] & 4
    assert swapped.at_bound[0] == 1.0
    np.testing.assert_allclose(good.params["beta_pl"][0], TRUTH["beta_pl"], rtol=1e-6)
