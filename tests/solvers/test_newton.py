"""The Newton fit: every fast part against a dense twin, and the fit where it is hard."""

from dataclasses import asdict, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from sweep.config.groups.solver import SEARCH
from sweep.fit import fit_block
from sweep.model import Curved
from sweep.problem import Prior, SpectralProblem, chi_square, observe, observe_block
from sweep.problem import derivatives as forms
from sweep.problem.cells import Cells, Rows
from sweep.problem.sed import Tables, coordinates, orthonormal
from sweep.problem.vectors import triangle
from sweep.solvers import SOLVERS, Bounds, Solver
from sweep.solvers.base import repeated
from sweep.solvers.newton import NewtonSolver
from sweep.solvers.newton import scan as scanning
from sweep.solvers.newton import solver as solving
from sweep.solvers.newton import step as stepping
from sweep.solvers.newton import system as systems
from sweep.solvers.newton.box import internal_box, internal_starts
from sweep.solvers.newton.constants import CONSTANTS, Constants
from sweep.solvers.newton.lane import Settings
from sweep.solvers.newton.pool import fit_pool
from sweep.types import Params, Status
from tests.problems import BOX, COUNTS, PARAMETERS, STANDARD, TRUTH, bounds, problem_and_signal

derivatives, row_values = jax.jit(forms.derivatives), jax.jit(forms.row_values)
assemble, newton_step = jax.jit(systems.assemble), jax.jit(stepping.newton_step)
scan = jax.jit(scanning.scan, static_argnums=5)
value_of = jax.jit(chi_square)

NOT_DAMPED = jnp.float64(0.0)

SETTINGS = Settings(max_steps=1000, tolerance=1e-6, max_scans=50, nodes=32)


@cache
def make(name: str = "newton", *overrides: str) -> Solver:
    conf = sweep.compose([f"solver={name}", *overrides]).solver
    return SOLVERS[name](**asdict(conf))


def newton(*overrides: str) -> NewtonSolver:
    solver = make("newton", *overrides)
    assert isinstance(solver, NewtonSolver)
    return solver


def noisy(problem: SpectralProblem, signal: jax.Array, count: int, seed: int = 7) -> jax.Array:
    noise = np.random.default_rng(seed).normal(size=(count, *signal.shape))
    return signal + noise / np.asarray(problem.inverse_sigma)[:, None, None]


def regrouped(problem: SpectralProblem, counts: dict[str, int], form: str = "auto"):
    """The same pixels in other clusters, dealt like cards, so that cells are small and many."""
    labels = {p: jnp.arange(problem.n_pixels, dtype=jnp.int32) % n for p, n in counts.items()}
    return SpectralProblem.create(problem.frequency, problem.inverse_sigma, labels, STANDARD, form)


def box(counts: dict[str, int]) -> Bounds:
    parts = zip(*BOX.values(), strict=True)
    start, low, high = (
        {p: jnp.full(counts[p], v) for p, v in zip(BOX, part, strict=True)} for part in parts
    )
    return Bounds(start, low, high)


@pytest.fixture(scope="module", name="small", params=["cells", "pixels"])
def _small(request: pytest.FixtureRequest):
    """A noisy realisation, a point near its minimum, and what is known about it."""
    problem, signal, _ = problem_and_signal()
    counts = {"beta_dust": 7, "temp_dust": 5, "beta_pl": 3}
    problem = regrouped(problem, counts, request.param)
    rows = observe(problem, noisy(problem, signal, 1)[0]).rows
    ends = internal_box(box(counts), problem)
    start = internal_starts(box(counts), repeated(box(counts).start, 1), problem.model, ends)[0]
    rng = np.random.default_rng(3)
    x = start.at[0, :7].add(rng.normal(0, 0.02, 7)).at[1, :5].add(rng.normal(0, 1e-3, 5))
    x = x.at[2, :3].add(rng.normal(0, 0.05, 3))
    return problem, counts, rows, x, ends


@pytest.fixture(scope="module", name="dense")
def _dense(small) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian over all clusters, by automatic differentiation of the value."""
    problem, counts, rows, x, _ = small
    sizes = [counts[p] for p in PARAMETERS]

    def value(flat):
        point = x
        for i, part in enumerate(jnp.split(flat, np.cumsum(sizes)[:-1])):
            point = point.at[i, : sizes[i]].set(part)
        return jnp.sum(forms.row_values(problem, rows, point))

    flat = jnp.concatenate([x[i, :n] for i, n in enumerate(sizes)])
    forward = jax.jacfwd(value)
    gradient, hessian = jax.jit(lambda at: (forward(at), jax.jacfwd(forward)(at)))(flat)
    return np.asarray(gradient), np.asarray(hessian)


def test_the_undamped_step_is_the_dense_newton_step(small, dense):
    problem, counts, rows, x, ends = small
    cells = problem.cells
    at = derivatives(problem, rows, x)
    system = assemble(at, x, cells, ends)
    # tight inner tolerance: conjugate gradients stop at the square of what `norm` asks for
    step = newton_step(at, system._replace(norm=jnp.float64(1e-6)), x, cells, ends, NOT_DAMPED)
    gradient, hessian = dense
    assert np.linalg.eigvalsh(hessian)[0] > 0
    expected = -np.linalg.solve(hessian, gradient)
    ours = np.concatenate([step.change[i, : counts[p]] for i, p in enumerate(PARAMETERS)])
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    predicted = -gradient @ expected - 0.5 * expected @ hessian @ expected
    np.testing.assert_allclose(step.predicted, predicted, rtol=1e-5)
    assert np.all(np.asarray(step.change[0, counts["beta_dust"] :]) == 0.0)


def test_a_step_stops_at_the_box_and_the_rest_is_solved_again(small, dense):
    problem, counts, rows, x, ends = small
    cells = problem.cells
    at = derivatives(problem, rows, x)
    tight = jnp.float64(1e-6)
    system = assemble(at, x, cells, ends)._replace(norm=tight)
    free = newton_step(at, system, x, cells, ends, NOT_DAMPED)
    wall = x[0, 0] + 0.5 * free.change[0, 0]
    towards = free.change[0, 0] > 0
    ends = ends._replace(
        low=ends.low.at[0, 0].set(jnp.where(towards, ends.low[0, 0], wall)),
        high=ends.high.at[0, 0].set(jnp.where(towards, wall, ends.high[0, 0])),
    )
    system = assemble(at, x, cells, ends)._replace(norm=tight)
    step = newton_step(at, system, x, cells, ends, NOT_DAMPED)
    gradient, hessian = dense
    held = float(wall - x[0, 0])
    rest = np.arange(1, gradient.size)
    expected = -np.linalg.solve(
        hessian[np.ix_(rest, rest)], gradient[rest] + hessian[rest, 0] * held
    )
    ours = np.concatenate([step.change[i, : counts[p]] for i, p in enumerate(PARAMETERS)])
    np.testing.assert_allclose(ours[0], held, rtol=1e-12)
    np.testing.assert_allclose(ours[1:], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_negative_curvature_still_gives_a_descent(small, dense):
    problem, counts, rows, x, ends = small
    cells = problem.cells
    at = derivatives(problem, rows, x)
    at = at._replace(hessian=-at.hessian)
    step = newton_step(at, assemble(at, x, cells, ends), x, cells, ends, jnp.float64(0.1))
    gradient, _ = dense
    ours = np.concatenate([step.change[i, : counts[p]] for i, p in enumerate(PARAMETERS)])
    assert step.predicted > 0
    assert gradient @ ours < 0


@pytest.mark.parametrize("parameter", range(3))
def test_the_scan_is_the_value_with_one_cluster_moved(small, parameter: int):
    problem, counts, rows, x, ends = small
    values = derivatives(problem, rows, x).chi_square
    nodes = jnp.linspace(ends.low[:, 0], ends.high[:, 0], 16, axis=1)
    found = jax.jit(scanning._rise, static_argnums=5)(problem, rows, x, values, nodes, parameter)
    for cluster in range(counts[PARAMETERS[parameter]]):
        for node in range(0, 16, 3):
            moved = x.at[parameter, cluster].set(nodes[parameter, node])
            rise = jnp.sum(row_values(problem, rows, moved) - values)
            np.testing.assert_allclose(found[cluster, node], rise, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("form", ["cells", "pixels"])
@pytest.mark.parametrize("parameter", range(3))
@pytest.mark.parametrize("of_band", [1, 3])
def test_wide_tiles_compile_to_what_they_say(form: str, parameter: int, of_band: int):
    """A tile of thousands, as on an accelerator: XLA once multiplied by ones wrongly there."""
    rng, n, frequencies = np.random.default_rng(0), 4096, 8
    columns = of_band * frequencies
    table = lambda rows: jnp.asarray(rng.uniform(0.5, 2.0, (rows, columns)))  # noqa: E731
    weights = jnp.asarray(rng.uniform(0.5, 2.0, (1, frequencies)))
    model = STANDARD
    here, nodes = (
        Tables(
            weights, orthonormal(weights), tuple(Curved(*[table(rows)] * 3) for _ in range(3)), None
        )
        for rows in (9, 32)
    )
    index = jnp.asarray(rng.integers(0, 9, (3, n)), jnp.int32)
    vectors = rng.normal(size=(frequencies, 2, n))
    matrices = np.einsum("fsr,gsr->fgr", vectors, vectors)
    data = jnp.asarray(matrices if form == "cells" else vectors)[None]
    nothing = jnp.zeros(0, jnp.int32)
    cells = Cells(
        index[:, None],
        nothing,
        jnp.int32(1),
        lengths=(n,) * 3,
        most=0,
        form=form,
    )
    rows = Rows(data, jnp.zeros((1, n)), jnp.float64(0.0))
    arguments = (model, cells, here, nodes, rows, jnp.int32(0), parameter)
    compiled = jax.jit(scanning._tile_values, static_argnums=(0, 6))(*arguments)
    plain = scanning._tile_values(*arguments)
    np.testing.assert_allclose(compiled, plain, rtol=1e-8, atol=1e-8 * float(jnp.std(plain)))


def test_the_lowest_place_between_nodes_is_that_of_the_parabola():
    nodes, lowest, depth = jnp.linspace(0.0, 31.0, 32), np.array([10.3, 20.8]), np.array([-5, -2])
    rise = 2.0 * (nodes - lowest[:, None]) ** 2 + depth[:, None]
    found = scanning._lowest_elsewhere(nodes, rise, jnp.array([2.0, 30.0]))
    place, estimate, (node, at_node) = found
    np.testing.assert_allclose(place, lowest, rtol=1e-12)
    np.testing.assert_allclose(estimate, depth, rtol=1e-12)
    np.testing.assert_array_equal(node, [10, 21])
    np.testing.assert_allclose(at_node, depth + 2.0 * np.array([0.3, 0.2]) ** 2, rtol=1e-12)


def test_jumps_lower_chi_square_by_more_than_the_best_node_gives(small):
    """One cluster of each parameter put far off: the scan brings back what it sees alone."""
    problem, counts, rows, x, ends = small
    for parameter, far in ((0, 4.5), (1, 1 / 7.0), (2, -6.5)):
        lost = x.at[parameter, 1].set(far)
        values = row_values(problem, rows, lost)
        found = scan(problem, rows, lost, values, ends, 32, jnp.float64(1e-4))
        assert found.jumps >= 1
        gained = jnp.sum(values - row_values(problem, rows, found.jumped))
        nodes = jnp.linspace(ends.low[parameter, 0], ends.high[parameter, 0], 32)
        alone = max(
            float(jnp.sum(values - row_values(problem, rows, lost.at[parameter, 1].set(node))))
            for node in nodes
        )
        assert gained > alone * (1 + 1e-5)  # by 1.5e-4 at least: nodes are not at the minimum


def test_a_jump_must_pay_for_its_prior(small):
    """A prior at a place far off keeps a cluster there where it weighs more than the data."""
    problem, counts, rows, x, _ = small
    far = 4.5
    lost = x.at[0, 1].set(far)
    values = row_values(problem, rows, lost)
    gain = float(jnp.sum(values - row_values(problem, rows, x)))
    given = box(counts)
    for weight, goes in ((0.5, True), (40.0, False)):
        precision = {"beta_dust": jnp.full(7, weight * gain / float(far - x[0, 1]) ** 2)}
        prior = Prior({"beta_dust": jnp.full(7, far)}, precision)
        ends = internal_box(given._replace(prior=prior), problem)
        found = scan(problem, rows, lost, values, ends, 32, jnp.float64(1e-4))
        assert (found.jumped[0, 1] != far) == goes


GROUPINGS = {
    "one cluster for all": {"beta_dust": 1, "temp_dust": 1, "beta_pl": 1},
    "few": {"beta_dust": 11, "temp_dust": 4, "beta_pl": 2},
    "more synchrotron than dust": {"beta_dust": 3, "temp_dust": 2, "beta_pl": 8},
    "one cluster a pixel": {"beta_dust": 192, "temp_dust": 192, "beta_pl": 192},
}


@pytest.mark.parametrize(
    ("grouping", "form"),
    [
        *((grouping, "cells") for grouping in GROUPINGS),
        ("few", "pixels"),
        *(pytest.param(g, "pixels", marks=pytest.mark.soak) for g in GROUPINGS if g != "few"),
    ],
)
def test_it_converges_at_a_minimum_that_no_scan_improves(grouping: str, form: str):
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS[grouping]
    problem = regrouped(problem, counts, form)
    maps = noisy(problem, signal, 3)
    result = fit_block(make(), chi_square, problem, maps, box(counts))
    assert np.all(result.status == Status.CONVERGED)
    assert np.all(result.scan_certified == 1)
    assert np.all(result.gradient_norm < 1e-5)
    for i in range(len(maps)):
        seen = observe(problem, maps[i])
        params = {p: jnp.asarray(result.params[p][i]) for p in PARAMETERS}
        best = value_of(params, problem, seen)
        for p, n in counts.items():
            _, low, high = BOX[p]
            for k in range(0, n, max(1, n // 4)):
                for value in np.linspace(low, high, 25):
                    moved = {**params, p: params[p].at[k].set(value)}
                    assert value_of(moved, problem, seen) > best - 1e-3


def test_cells_and_pixels_end_at_the_same_minimum():
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["few"]
    maps = noisy(problem, signal, 3)
    cells, pixels = (
        fit_block(make(), chi_square, regrouped(problem, counts, form), maps, box(counts))
        for form in ("cells", "pixels")
    )
    np.testing.assert_allclose(cells.nll, pixels.nll, rtol=1e-13)
    for p in PARAMETERS:
        np.testing.assert_allclose(cells.params[p], pixels.params[p], rtol=1e-7)


@pytest.mark.parametrize(
    "other", ["optax_lbfgs", pytest.param("scipy_tnc", marks=pytest.mark.soak)]
)
def test_never_above_another_solver(other: str):
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["more synchrotron than dust"]
    problem = regrouped(problem, counts)
    maps = noisy(problem, signal, 3)
    ours = fit_block(make(), chi_square, problem, maps, box(counts))
    theirs = fit_block(make(other), chi_square, problem, maps, box(counts))
    assert np.all(ours.nll <= theirs.nll + 1e-6)


@pytest.fixture(scope="module", name="lanes")
def _lanes():
    """Four realisations, and a pool of two lanes for them: called with starts and settings."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["few"]
    maps = noisy(problem, signal, 4)
    ours = regrouped(problem, counts)
    rows = observe_block(ours, maps).rows
    ends = internal_box(box(counts), ours)
    starts = internal_starts(box(counts), repeated(box(counts).start, 4), ours.model, ends)
    given = (ours, rows, starts, ends, SETTINGS, 2)
    program = jax.jit(fit_pool, static_argnums=5).lower(*given).compile()
    return problem, maps, starts, lambda starts, s: program(ours, rows, starts, ends, s)


def test_lanes_begin_at_the_start_of_their_realisation(lanes):
    """Refilled ones too: without a step they end where they began."""
    *_, starts, two = lanes
    own = starts * (1 + 1e-3 * jnp.arange(1, 5)[:, None, None])
    ended, _ = two(own, replace(SETTINGS, max_steps=0))
    assert np.all(ended.status == Status.MAX_STEPS)
    np.testing.assert_array_equal(ended.x, own)


def test_pools_of_one_begin_at_the_start_of_their_realisation(lanes):
    problem, maps, starts, _ = lanes
    counts = GROUPINGS["few"]
    ours = regrouped(problem, counts)
    own = starts * (1 + 1e-3 * jnp.arange(1, 5)[:, None, None])
    pools = replace(newton(), max_steps=0).pools(
        ours, observe_block(ours, maps).rows, internal_box(box(counts), ours)
    )
    np.testing.assert_array_equal(pools(own)[0].x, own)


@pytest.fixture(scope="module", name="pools")
def _pools(lanes):
    """The four through pools of one, two and four lanes: refilled, and all at once."""
    problem, maps, starts, two_lanes = lanes
    counts = GROUPINGS["few"]
    ours = regrouped(problem, counts)
    rows = observe_block(ours, maps).rows
    ends = internal_box(box(counts), ours)
    one = newton().pools(ours, rows, ends)(starts)
    two = two_lanes(starts, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        theirs = regrouped(problem, counts)  # rows in a single tile
        four = newton().pools(theirs, observe_block(theirs, maps).rows, ends)(starts)
    return one, two, four


def test_lanes_side_by_side_end_where_a_single_one_does(pools):
    (one, _), *wider = pools
    for other, _ in wider:
        for name in ("status", "certified"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_allclose(one.x, other.x, rtol=1e-7)


def test_a_pool_counts_its_work(pools):
    """A single lane works for itself; of several, each waits for what another is about."""
    (one, alone), *wider = pools
    assert alone.ticks == sum(one.evaluations)
    assert alone.scans == sum(one.scans) >= 4
    for width, (ended, work) in zip((2, 4), wider, strict=True):
        assert max(ended.evaluations) <= work.ticks < np.sum(ended.evaluations)
        assert width * work.ticks >= np.sum(ended.evaluations)
        assert max(ended.scans) <= work.scans <= np.sum(ended.scans)
        assert max(ended.steps) <= work.steps <= work.ticks


def test_a_realisation_that_is_not_finite_leaves_the_others_alone():
    problem, signal, _ = problem_and_signal()
    maps = np.array(noisy(problem, signal, 3))
    good = fit_block(make(), chi_square, problem, jnp.asarray(maps), bounds())
    maps[1, 2, 0, 5] = np.nan
    spoilt = fit_block(make(), chi_square, problem, jnp.asarray(maps), bounds())
    assert spoilt.status.tolist() == [Status.CONVERGED, Status.NONFINITE, Status.CONVERGED]
    np.testing.assert_array_equal(spoilt.nll[[0, 2]], good.nll[[0, 2]])


def test_a_cap_on_steps_is_a_status():
    problem, signal, _ = problem_and_signal()
    result = fit_block(
        make("newton", "solver.max_steps=2"), chi_square, problem, signal[None], bounds()
    )
    assert result.status[0] == Status.MAX_STEPS
    assert result.iterations[0] == 2


def test_where_rounding_ends_a_descent_less_than_the_tolerance_is_enough(monkeypatch):
    problem, signal, _ = problem_and_signal()
    strict = make("newton", "solver.tolerance=1e-300")
    result = fit_block(strict, chi_square, problem, signal[None], bounds())
    assert result.status[0] == Status.CONVERGED
    usual = fit_block(make("newton"), chi_square, problem, signal[None], bounds())
    np.testing.assert_allclose(result.nll, usual.nll, rtol=1e-12)
    monkeypatch.setattr(solving, "ROUNDED", 1e-300)
    result = fit_block(strict, chi_square, problem, signal[None], bounds())
    assert result.status[0] == Status.STALLED


def test_a_certificate_is_about_where_the_fit_ended():
    """Every cap on the steps of a fit that jumps: what is certified has been scanned."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["more synchrotron than dust"]
    problem = regrouped(problem, counts)
    rows = observe_block(problem, noisy(problem, 0.01 * signal, 1, seed=3)).rows
    own = jax.tree.map(lambda leaf: leaf[0], rows)
    ends = internal_box(box(counts), problem)

    starts = internal_starts(box(counts), repeated(box(counts).start, 1), problem.model, ends)

    def capped(steps: int):
        return replace(newton(), max_steps=steps).pools(problem, rows, ends)(starts)[0]

    through = capped(1000)
    assert through.certified[0] == 1
    assert through.jumps[0] > 0
    certified = []
    for steps in range(1, int(through.steps[0]) + 2):
        end = capped(steps)
        certified.append(int(end.certified[0]))
        if certified[-1] == 1:
            assert end.status[0] == Status.STALLED  # no steps left, but at a minimum
            assert end.norm[0] < SETTINGS.tolerance
            values = row_values(problem, own, end.x[0])
            assert scan(problem, own, end.x[0], values, ends, 32, jnp.float64(2e-4)).jumps == 0
    assert set(certified) == {-1, 0, 1}  # before, between and after scans


def test_a_cap_on_scans_leaves_clusters_that_could_go_lower():
    """At low signal the first scan finds jumps; with no second one it says so."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["one cluster a pixel"]
    problem = regrouped(problem, counts)
    maps = noisy(problem, 0.02 * signal, 1)
    result = fit_block(make("newton", "solver.max_scans=1"), chi_square, problem, maps, box(counts))
    assert result.scan_certified[0] == 0
    assert result.jumps[0] == 0  # what the last scan finds is not gone to
    through = fit_block(make(), chi_square, problem, maps, box(counts))
    assert through.scan_certified[0] == 1
    assert through.jumps[0] > 0
    assert through.nll[0] < result.nll[0]


def test_a_truth_outside_the_box_ends_exactly_at_its_wall():
    problem, signal, _ = problem_and_signal()
    ends = bounds()
    high = {**ends.high, "beta_dust": jnp.full(COUNTS["beta_dust"], 1.6)}
    low = {**ends.low, "temp_dust": jnp.full(COUNTS["temp_dust"], 18.0)}
    ends = ends._replace(high=high, low=low)
    result = fit_block(make(), chi_square, problem, signal[None], ends)
    assert result.status[0] == Status.CONVERGED
    assert result.params["beta_dust"][0, -1] == 1.6
    assert result.params["temp_dust"][0, 0] == 18.0
    for p in PARAMETERS:
        assert np.all(result.params[p] >= low.get(p, ends.low[p]))
        assert np.all(result.params[p] <= high.get(p, ends.high[p]))


def test_what_the_data_leave_free_is_finite_inside_and_reported():
    """Maps of nothing but CMB say nothing of any spectral parameter."""
    problem, _, cmb = problem_and_signal()
    maps = jnp.broadcast_to(cmb, (1, problem.frequency.size, *cmb.shape))
    result = fit_block(make(), chi_square, problem, maps, bounds())
    assert Status(result.status[0]).usable
    assert result.unconstrained[0] == sum(COUNTS.values())
    for p, (_, low, high) in BOX.items():
        assert np.all((result.params[p] >= low) & (result.params[p] <= high))
    np.testing.assert_allclose(result.cmb[0], cmb, atol=1e-6)
    sky, signal, _ = problem_and_signal()
    seen = fit_block(make(), chi_square, sky, noisy(sky, signal, 1), bounds())
    assert seen.unconstrained[0] == 0


def test_axes_padded_beyond_the_rows_change_nothing():
    """Cluster axes go by powers of two and may be longer than there are rows."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["one cluster a pixel"]
    problem = regrouped(problem, counts)
    maps = noisy(problem, signal, 1)
    exact = fit_block(make(), chi_square, problem, maps, box(counts))
    padded = fit_block(make(), chi_square, problem, maps, box(dict.fromkeys(counts, 1024)))
    for p in PARAMETERS:
        np.testing.assert_array_equal(exact.params[p], padded.params[p])


def test_the_start_does_not_matter():
    problem, signal, _ = problem_and_signal()
    maps = noisy(problem, signal, 3)
    usual = fit_block(make(), chi_square, problem, maps, bounds())
    rng = np.random.default_rng(5)
    near = {p: jnp.asarray(v * rng.uniform(0.9, 1.1, v.size)) for p, v in bounds().start.items()}
    other = fit_block(make(), chi_square, problem, maps, bounds()._replace(start=near))
    np.testing.assert_allclose(usual.nll, other.nll, rtol=1e-13)
    for p in PARAMETERS:  # both stop within 1e-6 standard deviations, along each parameter
        np.testing.assert_allclose(usual.params[p], other.params[p], rtol=1e-6)


def pulls(result, problem: SpectralProblem, maps: jax.Array) -> Params:
    """Estimate minus truth over the error, from the inverse of the dense Hessian."""
    sizes = np.cumsum([COUNTS[p] for p in PARAMETERS])[:-1]

    def covariance(params: Params, realisation: jax.Array) -> jax.Array:
        index = problem.cells.flat_index
        at = derivatives(
            problem, observe(problem, realisation).rows, coordinates(params, problem.model)
        )
        offset = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.asarray(sizes, jnp.int32)])
        place = index + offset[:, None]
        total = sum(COUNTS.values())
        hessian = jnp.zeros((total, total))
        for (i, j), block in zip(triangle(3), at.hessian, strict=True):
            hessian = hessian.at[place[i], place[j]].add(block)
            if i != j:
                hessian = hessian.at[place[j], place[i]].add(block)
        return jnp.diag(2.0 * jnp.linalg.inv(hessian))  # chi_square = -2 ln L

    params = {p: jnp.asarray(result.params[p]) for p in PARAMETERS}
    variance = jax.lax.map(lambda given: covariance(*given), (params, maps))
    parts = dict(zip(PARAMETERS, jnp.split(variance, sizes, axis=1), strict=True))
    truth = {**TRUTH, "temp_dust": 1.0 / TRUTH["temp_dust"]}
    found = {**params, "temp_dust": 1.0 / params["temp_dust"]}
    return {p: (found[p] - truth[p]) / jnp.sqrt(parts[p]) for p in PARAMETERS}


def test_pulls_have_mean_0_and_variance_1():
    problem, signal, _ = problem_and_signal()
    maps = noisy(problem, signal, 600, seed=11)
    result = fit_block(make(), chi_square, problem, maps, bounds())
    assert np.all(result.status == Status.CONVERGED)
    for p, pull in pulls(result, problem, maps).items():
        n = pull.shape[0]
        mean, variance = np.mean(pull, axis=0), np.var(pull, axis=0, ddof=1)
        print(p, "mean", np.round(mean, 3), "variance", np.round(variance, 3))
        # eleven parameters: the largest of eleven normal deviates passes 3.5 once in 200 seeds
        assert np.all(np.abs(mean) < 3.5 / np.sqrt(n))
        assert np.all(np.abs(variance - 1.0) < 3.5 * np.sqrt(2.0 / (n - 1)))


def test_the_settings_are_those_of_the_configuration():
    solver = newton()
    assert (solver.tolerance, solver.max_steps) == (1e-6, 1000)


def test_what_is_hardly_constrained_converges_as_fast():
    """Noise-free pixels, each on its own, from well determined to not at all."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["one cluster a pixel"]
    problem = regrouped(problem, counts)
    maps = (signal * jnp.logspace(-6, 0, problem.n_pixels))[None]
    result = fit_block(make(), chi_square, problem, maps, box(counts))
    assert result.status[0] == Status.CONVERGED
    assert result.unconstrained[0] > 0
    assert result.iterations[0] < 60


def test_other_constants_are_another_search():
    """They change minima, so a store must not mix them: with one of these raise the version."""
    assert CONSTANTS.version == SEARCH
    assert (
        Constants(
            version=2,
            rounding=1e-16,
            lost_steps=30,
            enough=1e-4,
            poor=0.25,
            good=0.75,
            very_good=0.9,
            first_damping=1e-5,
            least_raised_damping=1e-2,
            weak_gauss_newton=0.1,
            weak_box=1e-6,
            solutions=8,
            cg_steps=200,
            loosest_cg=1e-2,
            tightest_cg=1e-6,
            most_eliminated=0.9,
            jump=1e-4,
            jump_roundings=1e3,
        )
        == CONSTANTS
    )
