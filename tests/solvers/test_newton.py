"""The Newton fit: every fast part against a dense twin, and the fit where it is hard."""

from dataclasses import asdict, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from benchmarks.real import SKY, real_sky
from sweep.config.build import build
from sweep.fit import fit_block
from sweep.problem import SpectralProblem, chi_square, observe, observe_block
from sweep.problem import derivatives as forms
from sweep.problem.cells import Cells, Rows
from sweep.problem.sed import Tables, coordinates
from sweep.solvers import SOLVERS, Bounds, NewtonSolver, Solver
from sweep.solvers.newton import hop
from sweep.solvers.newton import judge as judging
from sweep.solvers.newton import scan as scanning
from sweep.solvers.newton import system as systems
from sweep.solvers.newton.hop import among, lower_regions, regions
from sweep.solvers.newton.lane import HELD, Phase, Settings, begin, evaluate
from sweep.solvers.newton.pool import fit_pool
from sweep.solvers.newton.solver import internal_box
from sweep.types import PARAMETERS, Params, Status
from tests.problems import BOX, COUNTS, TRUTH, bounds, problem_and_signal

derivatives, row_values = jax.jit(forms.derivatives), jax.jit(forms.row_values)
assemble, newton_step = jax.jit(systems.assemble), jax.jit(systems.newton_step)
scan = jax.jit(scanning.scan, static_argnums=5)
value_of = jax.jit(chi_square)

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
    return SpectralProblem.create(
        problem.frequency, problem.inverse_sigma, labels, 150.0, 20.0, form
    )


def box(counts: dict[str, int]) -> Bounds:
    parts = zip(*BOX.values(), strict=True)
    return Bounds(
        *({p: jnp.full(counts[p], v) for p, v in zip(BOX, part, strict=True)} for part in parts)
    )


@pytest.fixture(scope="module", name="small", params=["cells", "pixels"])
def _small(request: pytest.FixtureRequest):
    """A noisy realisation, a point near its minimum, and what is known about it."""
    problem, signal, _ = problem_and_signal()
    counts = {"beta_dust": 7, "temp_dust": 5, "beta_pl": 3}
    problem = regrouped(problem, counts, request.param)
    rows = observe(problem, noisy(problem, signal, 1)[0]).rows
    start, ends = internal_box(box(counts), problem.cells.lengths[0])
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
    cells, n = problem.cells, problem.cells.islands
    at = derivatives(problem, rows, x)
    system = assemble(at, x, cells, ends)
    # tight inner tolerance: conjugate gradients stop at the square of what `norm` asks for
    step = newton_step(at, system._replace(norm=jnp.full(n, 1e-6)), x, cells, ends, jnp.zeros(n))
    gradient, hessian = dense
    assert np.linalg.eigvalsh(hessian)[0] > 0
    expected = -np.linalg.solve(hessian, gradient)
    ours = np.concatenate([step.change[i, : counts[p]] for i, p in enumerate(PARAMETERS)])
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    predicted = -gradient @ expected - 0.5 * expected @ hessian @ expected
    np.testing.assert_allclose(jnp.sum(step.predicted), predicted, rtol=1e-5)
    assert np.all(np.asarray(step.change[0, counts["beta_dust"] :]) == 0.0)


def test_a_step_stops_at_the_box_and_the_rest_is_solved_again(small, dense):
    problem, counts, rows, x, ends = small
    cells, n = problem.cells, problem.cells.islands
    at = derivatives(problem, rows, x)
    tight = jnp.full(n, 1e-6)
    system = assemble(at, x, cells, ends)._replace(norm=tight)
    free = newton_step(at, system, x, cells, ends, jnp.zeros(n))
    wall = x[0, 0] + 0.5 * free.change[0, 0]
    towards = free.change[0, 0] > 0
    ends = ends._replace(
        low=ends.low.at[0, 0].set(jnp.where(towards, ends.low[0, 0], wall)),
        high=ends.high.at[0, 0].set(jnp.where(towards, wall, ends.high[0, 0])),
    )
    system = assemble(at, x, cells, ends)._replace(norm=tight)
    step = newton_step(at, system, x, cells, ends, jnp.zeros(n))
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
    cells, n = problem.cells, problem.cells.islands
    at = derivatives(problem, rows, x)
    at = at._replace(hessian=-at.hessian)
    step = newton_step(at, assemble(at, x, cells, ends), x, cells, ends, jnp.full(n, 0.1))
    gradient, _ = dense
    ours = np.concatenate([step.change[i, : counts[p]] for i, p in enumerate(PARAMETERS)])
    assert jnp.sum(step.predicted) > 0
    assert gradient @ ours < 0


def parted(counts: dict[str, int], only: int | None = None):
    """Two halves of the sky with clusters of their own, which make an island each, or one half."""
    problem, _, _ = problem_and_signal()
    half = np.arange(problem.n_pixels) // (problem.n_pixels // 2)
    kept = np.ones_like(half, bool) if only is None else half == only
    number = np.arange(problem.n_pixels)
    first = 0 if only is None else only
    labels = {
        p: jnp.asarray((number % n + (half - first) * n)[kept], jnp.int32)
        for p, n in counts.items()
    }
    problem = SpectralProblem.create(
        problem.frequency, problem.inverse_sigma, labels, 150.0, 20.0, "pixels"
    )
    return problem, kept


def two_islands(counts: dict[str, int], brighter: float = 1.0):
    """A noisy realisation of both halves, the first so much brighter, its start and box."""
    problem, _ = parted(counts)
    _, signal, _ = problem_and_signal()
    _, first = parted(counts, only=0)
    maps = noisy(problem, signal, 1)[0] * jnp.where(first, brighter, 1.0)
    rows = observe(problem, maps).rows
    both = {p: 2 * n for p, n in counts.items()}
    return problem, rows, *internal_box(box(both), problem.cells.lengths[0])


def test_a_step_of_an_island_does_not_depend_on_another():
    counts = {"beta_dust": 5, "temp_dust": 3, "beta_pl": 2}
    problem, rows, x, ends = two_islands(counts)
    cells = problem.cells
    assert int(jnp.max(cells.island)) == 1
    at = derivatives(problem, rows, x)
    system = assemble(at, x, cells, ends)

    def step(*damping: float):
        given = jnp.zeros(cells.islands).at[:2].set(jnp.array(damping))
        return newton_step(at, system, x, cells, ends, given)

    both, weak, strong = step(1e-5, 10.0), step(1e-5, 1e-5), step(10.0, 10.0)
    for i, n in enumerate(counts.values()):
        np.testing.assert_allclose(both.change[i, :n], weak.change[i, :n], rtol=1e-9)
        np.testing.assert_allclose(
            both.change[i, n : 2 * n], strong.change[i, n : 2 * n], rtol=1e-9
        )
    assert np.linalg.norm(strong.change) < 0.5 * np.linalg.norm(weak.change)
    np.testing.assert_allclose(
        both.predicted[:2], [weak.predicted[0], strong.predicted[1]], rtol=1e-9
    )


def test_islands_end_where_they_do_alone():
    counts = {"beta_dust": 5, "temp_dust": 3, "beta_pl": 2}
    _, signal, _ = problem_and_signal()
    together, _ = parted(counts)
    maps = noisy(together, signal, 2)
    both = fit_block(make(), chi_square, together, maps, box({p: 2 * n for p, n in counts.items()}))
    assert np.all(both.status == Status.CONVERGED)
    nll = np.zeros(2)
    for part in (0, 1):
        problem, kept = parted(counts, only=part)
        alone = fit_block(make(), chi_square, problem, maps[..., kept], box(counts))
        nll += alone.nll
        for p, n in counts.items():
            own = both.params[p][:, part * n : (part + 1) * n]
            np.testing.assert_allclose(own, alone.params[p], rtol=1e-6)
    np.testing.assert_allclose(both.nll, nll, rtol=1e-12)


def test_a_faint_island_is_not_lost_in_the_rounding_of_a_bright_one():
    counts = {"beta_dust": 5, "temp_dust": 3, "beta_pl": 2}
    problem, rows, start, ends = two_islands(counts, brighter=1e6)
    cells = problem.cells
    power = np.bincount(cells.island_of_rows, rows.power.ravel())
    least = judging._least_fall(rows, cells)
    np.testing.assert_allclose(least[:2], 1e-4 + 1e-13 * power)
    assert least[0] > 1e3 * least[1]

    lane = evaluate(begin(start, cells), rows, problem, ends, SETTINGS)
    uphill = start + 0.01 * jnp.sign(lane.system.gradient) * (cells.island == 1)
    tried = lane._replace(trial=uphill, predicted=jnp.full_like(lane.predicted, 1e-3))
    after = evaluate(tried, rows, problem, ends, SETTINGS)
    assert float(1e-16 * power.sum()) > 1e-3 > float(1e-16 * power[1])
    np.testing.assert_array_equal(after.x, start)


def test_an_island_that_stays_keeps_what_is_known_of_it():
    problem, rows, start, ends = two_islands({"beta_dust": 60, "temp_dust": 3, "beta_pl": 2})
    cells = problem.cells
    lane = evaluate(begin(start, cells), rows, problem, ends, SETTINGS)
    everything = derivatives(problem, rows, start).chi_square
    np.testing.assert_allclose(lane.at.chi_square, everything, rtol=1e-12)
    marked = lane._replace(at=lane.at._replace(chi_square=lane.at.chi_square + 1.0))
    trial = start + jnp.where(cells.island == 1, 0.01, 0.0) * (start != 0)
    after = evaluate(marked._replace(trial=trial), rows, problem, ends, SETTINGS)
    moved = np.asarray(cells.island_of_rows) == 1
    np.testing.assert_array_equal(after.at.chi_square[~moved], marked.at.chi_square[~moved])
    expected = derivatives(problem, rows, trial).chi_square
    np.testing.assert_allclose(after.at.chi_square[moved], expected[moved], rtol=1e-12)


def test_rows_that_are_not_wanted_may_be_left_out(small):
    problem, _, rows, x, _ = small
    wanted = jnp.arange(problem.cells.lengths[0]) < 3
    some = forms.derivatives(problem, rows, x, wanted)
    everything = forms.derivatives(problem, rows, x)
    for a, b in zip(some, everything, strict=True):
        np.testing.assert_array_equal(a[..., :128], b[..., :128])  # the tile of those three
        assert not np.any(a[..., 128:])


def test_small_islands_start_anew_once(monkeypatch):
    """The last hops are for islands of few beta_pl clusters, and never tried twice."""
    monkeypatch.setattr(hop, "FEW", 2)
    problem, rows, start, ends = two_islands({"beta_dust": 60, "temp_dust": 3, "beta_pl": 2})
    cells = problem.cells
    at = derivatives(problem, rows, start)
    system = assemble(at, start, cells, ends)
    found = scan(problem, rows, start, at.chi_square, ends, 32, jnp.float64(1e-4))

    def last() -> np.ndarray:
        given = (problem, rows, start, at.chi_square, found, system, ends)
        return np.asarray(hop.alternatives(*given))[hop.RESTARTED :]

    anew = np.asarray(hop.restarts(ends))
    assert np.all((anew >= np.asarray(ends.low)) & (anew <= np.asarray(ends.high)))
    np.testing.assert_array_equal(last()[:, :4], anew[:, 2, :4])
    assert np.all(np.isnan(last()[:, 4:]))
    monkeypatch.setattr(hop, "FEW", 1)
    assert np.all(np.isnan(last()))
    refused = jnp.zeros((hop.HOPS, 3))
    near = jnp.array([True, False, True])
    left = np.isnan(judging._again(refused, near))
    assert left[: hop.RESTARTED].tolist() == [[True, False, True]] * hop.RESTARTED
    assert not np.any(left[hop.RESTARTED :])


def test_the_scan_is_the_value_with_one_cluster_moved(small):
    problem, counts, rows, x, ends = small
    values = derivatives(problem, rows, x).chi_square
    found = scan(problem, rows, x, values, ends, 16, jnp.float64(1e-4))
    for cluster in range(counts["beta_pl"]):
        for node in range(0, 16, 3):
            moved = x.at[2, cluster].set(found.nodes[node])
            rise = jnp.sum(row_values(problem, rows, moved) - values)
            np.testing.assert_allclose(found.rise[cluster, node], rise, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("form", ["cells", "pixels"])
@pytest.mark.parametrize("parameter", range(3))
def test_wide_tiles_compile_to_what_they_say(form: str, parameter: int):
    """A tile of thousands, as on an accelerator: XLA once multiplied by ones wrongly there."""
    rng, n, frequencies = np.random.default_rng(0), 4096, 8
    table = lambda rows: jnp.asarray(rng.uniform(0.5, 2.0, (rows, frequencies)))  # noqa: E731
    weights = jnp.asarray(rng.uniform(0.5, 2.0, frequencies))
    here, nodes = (
        Tables(
            cmb=weights,
            power=table(rows),
            planck=table(rows),
            planck_1=table(rows),
            planck_2=table(rows),
            synchrotron=table(rows),
            log_dust=weights,
            log_synchrotron=weights,
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
        nothing,
        nothing,
        jnp.int32(1),
        lengths=(n,) * 3,
        islands=8,
        form=form,
    )
    rows = Rows(data, jnp.zeros((1, n)), jnp.float64(0.0))
    arguments = (cells, here, nodes, rows, jnp.int32(0), parameter)
    compiled = jax.jit(scanning._tile_values, static_argnums=5)(*arguments)
    plain = scanning._tile_values(*arguments)
    np.testing.assert_allclose(compiled, plain, rtol=1e-8, atol=1e-8 * float(jnp.std(plain)))


def test_jumps_lower_chi_square_by_at_least_what_the_best_node_gives(small):
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
        assert gained >= alone - 1e-6


def test_regions_reach_out_from_what_moved():
    """A chain: beta_pl clusters of two rows, beta_dust clusters that bridge them."""
    rows = np.arange(12)
    index = jnp.asarray(np.stack([(rows + 1) // 2, rows // 6, rows // 2]), jnp.int32)
    moved = jnp.zeros(7, bool).at[jnp.array([0, 5])].set(True)
    of_rows, of_clusters = jax.jit(regions)(moved, index)
    assert set(np.asarray(of_rows[:6])) == {0}  # temp_dust joins the first six rows to cluster 0
    assert set(np.asarray(of_rows[7:])) == {5}
    change = jnp.where(rows < 6, -1.0, 1.0)
    lower = lower_regions(of_rows, moved, change, jnp.float64(1e-4))
    theirs = among(of_clusters, lower)
    assert np.flatnonzero(np.asarray(lower)).tolist() == [0]
    assert bool(theirs[1, 0])
    assert not bool(theirs[1, 1])


GROUPINGS = {
    "one cluster for all": {"beta_dust": 1, "temp_dust": 1, "beta_pl": 1},
    "few": {"beta_dust": 11, "temp_dust": 4, "beta_pl": 2},
    "more synchrotron than dust": {"beta_dust": 3, "temp_dust": 2, "beta_pl": 8},
    "one cluster a pixel": {"beta_dust": 192, "temp_dust": 192, "beta_pl": 192},
}


@pytest.mark.parametrize("form", ["cells", "pixels"])
@pytest.mark.parametrize("grouping", GROUPINGS)
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


@pytest.mark.parametrize("other", ["optax_lbfgs", "scipy_tnc"])
def test_never_above_another_solver(other: str):
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["more synchrotron than dust"]
    problem = regrouped(problem, counts)
    maps = noisy(problem, signal, 3)
    ours = fit_block(make(), chi_square, problem, maps, box(counts))
    theirs = fit_block(make(other), chi_square, problem, maps, box(counts))
    assert np.all(ours.nll <= theirs.nll + 1e-6)


@pytest.fixture(scope="module", name="pools")
def _pools():
    """Four realisations through pools of one, two and four lanes: refilled, and all at once."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["few"]
    maps = noisy(problem, signal, 4)
    ours = regrouped(problem, counts)
    rows = observe_block(ours, maps).rows
    start, ends = internal_box(box(counts), ours.cells.lengths[0])
    one = newton().pools(ours, rows, box(counts))()
    lowered = jax.jit(fit_pool, static_argnums=5).lower(ours, rows, start, ends, SETTINGS, 2)
    quickly: dict[str, str | bool] = {
        "xla_backend_optimization_level": "0"
    }  # compiles in half the time
    two = lowered.compile(compiler_options=quickly)(ours, rows, start, ends, SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        theirs = regrouped(problem, counts)  # rows in a single tile
        (four,) = newton().pools(theirs, observe_block(theirs, maps).rows, box(counts))()
    return one, two, four


def test_lanes_side_by_side_end_where_a_single_one_does(pools):
    singles, *wider = pools
    for other, _ in wider:
        for name in ("status", "certified"):
            one = np.concatenate([getattr(ended, name) for ended, _ in singles])
            np.testing.assert_array_equal(one, getattr(other, name))
        one = np.concatenate([ended.x for ended, _ in singles])
        np.testing.assert_allclose(one, other.x, rtol=1e-7)


def test_a_pool_counts_its_work(pools):
    """A single lane works for itself; of several, each waits for what another is about."""
    singles, *wider = pools
    for ended, work in singles:
        assert work.ticks == ended.evaluations[0]
        assert work.scans == ended.scans[0] >= 1
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


def test_a_certificate_is_about_where_the_fit_ended():
    """Every cap on the steps of a fit whose hops win: what they leave behind had been scanned."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["more synchrotron than dust"]
    problem = regrouped(problem, counts)
    rows = observe_block(problem, noisy(problem, 0.01 * signal, 1, seed=8)).rows
    own = jax.tree.map(lambda leaf: leaf[0], rows)
    _, ends = internal_box(box(counts), problem.cells.lengths[0])

    def capped(steps: int):
        solver = replace(newton(), max_steps=steps)
        return solver.pools(problem, rows, box(counts))()[0][0]

    through = capped(1000)
    assert through.certified[0] == 1
    assert through.jumps[0] > 0
    certified = []
    for steps in range(1, int(through.steps[0]) + 1):
        end = capped(steps)
        certified.append(int(end.certified[0]))
        if certified[-1] == 1:
            assert end.status[0] == Status.STALLED  # no steps left, but at a minimum
            assert end.norm[0] < SETTINGS.tolerance
            values = row_values(problem, own, end.x[0])
            assert scan(problem, own, end.x[0], values, ends, 32, jnp.float64(2e-4)).jumps == 0
    # a hop that wins leaves a certified minimum for one that is yet to be scanned
    assert (1, 0) in zip(certified, certified[1:], strict=False)


def test_a_cap_on_scans_is_not_a_certificate():
    """At low signal the first scan finds jumps; with no second one nothing is certified."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["one cluster a pixel"]
    problem = regrouped(problem, counts)
    maps = noisy(problem, 0.02 * signal, 1)
    result = fit_block(make("newton", "solver.max_scans=1"), chi_square, problem, maps, box(counts))
    assert result.scan_certified[0] == 0
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
        at = derivatives(problem, observe(problem, realisation).rows, coordinates(params))
        offset = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.asarray(sizes, jnp.int32)])
        place = index + offset[:, None]
        total = sum(COUNTS.values())
        hessian = jnp.zeros((total, total))
        for (i, j), block in zip(forms.TRIANGLE, at.hessian, strict=True):
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


@pytest.mark.skipif(not SKY.exists(), reason="needs the real sky")
def test_weak_curvatures_are_followed_below_rounding() -> None:
    """One draw of a thousand whose last steps, all below rounding, each gain a tenth."""
    counts = ("clusters.beta_dust=3000", "clusters.temp_dust=500", "clusters.beta_pl=300")
    setup = build(real_sky("mask.expression=GAL020", *counts))
    maps = setup.maps((18,))
    result = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    assert result.status[0] == Status.CONVERGED
    assert result.gradient_norm[0] < 1e-6


def test_a_cluster_far_from_the_others_is_tried_towards_them() -> None:
    nodes = -7.0 + 0.5 * jnp.arange(14)
    here = jnp.array([-3.0, -3.0, -3.5, -0.5, -6.5, -3.0])
    rise = jnp.stack(
        [
            jnp.abs(nodes + 3.0),  # where most are: stays
            50.0 * jnp.abs(nodes + 3.0),
            jnp.abs(nodes + 3.5),  # nearly there: stays
            40.0 * jnp.abs(nodes + 0.5),  # astray: back, at any price
            jnp.where(nodes == -4.0, 0.1, jnp.abs(nodes + 6.5)),  # and to where it is lowest
            jnp.zeros_like(nodes),  # only pads
        ]
    )
    seen = jnp.array([True, True, True, True, True, False])
    goals = hop._towards_others(nodes, rise, here, seen)
    np.testing.assert_allclose(goals, [np.nan, np.nan, np.nan, -2.0, -4.0, np.nan])


def more_synchrotron_than_dust():
    """A noisy realisation of that grouping, its start and box."""
    problem, signal, _ = problem_and_signal()
    counts = GROUPINGS["more synchrotron than dust"]
    problem = regrouped(problem, counts)
    rows = observe(problem, noisy(problem, signal, 1)[0]).rows
    return problem, rows, *internal_box(box(counts), problem.cells.lengths[0])


def test_lifts_take_clusters_where_beta_dust_makes_up_for_it(monkeypatch) -> None:
    """Against sums in plain loops; the price is set between those of the clusters."""
    problem, rows, start, ends = more_synchrotron_than_dust()
    values = row_values(problem, rows, start)
    index = np.asarray(problem.cells.flat_index)
    real = np.isin(np.arange(index.shape[1]), problem.cells.row)
    assert not np.all(real)  # some rows only pad
    n_pl = GROUPINGS["more synchrotron than dust"]["beta_pl"]
    for lift, share in enumerate(hop.LIFTS):
        place = float(ends.high[2, 0] - share * (ends.high - ends.low)[2, 0])
        at = derivatives(problem, rows, start.at[2].set(place))
        price = np.zeros(n_pl)
        np.add.at(price, index[2], np.asarray(at.chi_square - values))
        for cluster in range(GROUPINGS["more synchrotron than dust"]["beta_dust"]):
            of_dust = real & (index[0] == cluster)
            slope = np.sum(np.asarray(at.gradient[0])[of_dust])
            curvature = np.sum(np.asarray(at.gauss_newton[0])[of_dust])
            np.add.at(price, index[2][of_dust], -(slope**2) / (2 * curvature) / of_dust.sum())
        middle = float(np.median(price))
        monkeypatch.setattr(hop, "FOLLOWED", middle)
        goals = hop._lifts(problem, rows, start, values, ends)[lift, :n_pl]
        np.testing.assert_allclose(goals, np.where(price < middle, place, np.nan))
        assert 0 < np.sum(np.isfinite(goals)) < n_pl
        monkeypatch.setattr(hop, "BELOW", 10.0)
        assert np.all(np.isnan(hop._lifts(problem, rows, start, values, ends)))
        monkeypatch.undo()


def test_a_lift_holds_its_clusters_until_dust_has_followed() -> None:
    problem, rows, start, ends = more_synchrotron_than_dust()
    moved = jnp.arange(start.shape[1]) % 2 == 1
    lane = begin(start, problem.cells)._replace(moved=moved, phase=jnp.int32(Phase.HOP))

    def free(**state: int) -> np.ndarray:
        own = lane._replace(**{k: jnp.int32(v) for k, v in state.items()})
        after = evaluate(own, rows, problem, ends, SETTINGS)
        return np.asarray(after.system.free)

    everything = free(hop=hop.LIFTED - 1, hop_steps=0)
    held = free(hop=hop.LIFTED, hop_steps=HELD - 1)
    np.testing.assert_array_equal(held[:2], everything[:2])
    np.testing.assert_array_equal(held[2], everything[2] & ~moved)
    assert np.any(held[2] != everything[2])
    np.testing.assert_array_equal(free(hop=hop.LIFTED, hop_steps=HELD), everything)
    np.testing.assert_array_equal(free(hop=hop.LIFTED, hop_steps=0, attempts=1), everything)
