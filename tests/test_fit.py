"""Blocks: realisations do not touch each other, and what is said of a fit is right."""

from dataclasses import asdict, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from sweep.fit import fit_block
from sweep.problem import chi_square, expand, observe
from sweep.problem.reference import furax_cmb, furax_nll
from sweep.solvers import SOLVERS, Bounds
from sweep.types import NOT_ATTEMPTED, Status
from sweep.worker import fit_experiment
from tests.problems import BOX, COUNTS, PARAMETERS, bounds, problem_and_signal


def solver(name):
    return SOLVERS[name](**asdict(sweep.compose([f"solver={name}"]).solver))


def noisy_block(count=4):
    problem, signal, _ = problem_and_signal()
    keys = jax.random.split(jax.random.key(7), count)
    noise = jnp.stack([jax.random.normal(k, signal.shape) for k in keys])
    return problem, signal + noise / problem.inverse_sigma[:, None, None]


@pytest.fixture(scope="module", name="block", params=["newton", "optax_lbfgs"])
def _block(request):
    problem, maps = noisy_block()
    chosen = solver(request.param)
    return chosen, problem, maps, fit_block(chosen, chi_square, problem, maps, bounds())


def test_block_equals_one_by_one(block):
    chosen, problem, maps, together = block
    for i in range(len(maps)):
        alone = fit_block(chosen, chi_square, problem, maps[i : i + 1], bounds())
        assert alone.status[0] == together.status[i] == Status.CONVERGED
        np.testing.assert_allclose(alone.nll[0], together.nll[i], rtol=1e-12)
        np.testing.assert_allclose(alone.cmb_variance[0], together.cmb_variance[i], rtol=1e-7)
        for p in PARAMETERS:
            np.testing.assert_allclose(alone.params[p][0], together.params[p][i], rtol=1e-6)


def test_lanes_of_an_accelerator_end_where_those_of_a_cpu_do(block, monkeypatch):
    """One after another on a CPU, side by side elsewhere: the same fits, the other way."""
    chosen, problem, maps, one_by_one = block
    with monkeypatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        # rows in a single tile
        problem = type(problem).create(
            problem.frequency, problem.inverse_sigma, problem.labels, problem.model
        )
        side_by_side = fit_block(chosen, chi_square, problem, maps, bounds())
    np.testing.assert_array_equal(side_by_side.status, one_by_one.status)
    np.testing.assert_array_equal(side_by_side.scan_certified, one_by_one.scan_certified)
    np.testing.assert_allclose(side_by_side.nll, one_by_one.nll, rtol=1e-12)
    for p in PARAMETERS:
        np.testing.assert_allclose(side_by_side.params[p], one_by_one.params[p], rtol=1e-6)


@pytest.mark.parametrize("name", ["newton", "optax_lbfgs", "scipy_tnc"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_realisation_touches_no_other(name, bad):
    problem, maps = noisy_block()
    good = fit_block(solver(name), chi_square, problem, maps, bounds())
    spoilt = fit_block(solver(name), chi_square, problem, maps.at[1, 2, 0, 5].set(bad), bounds())
    assert spoilt.status[1] == Status.NONFINITE
    others = [0, 2, 3]
    np.testing.assert_array_equal(spoilt.status[others], good.status[others])
    np.testing.assert_array_equal(spoilt.iterations[others], good.iterations[others])
    np.testing.assert_array_equal(spoilt.nll[others], good.nll[others])


@pytest.mark.parametrize("backend", ["cpu", "an accelerator"])
@pytest.mark.parametrize(("name", "cap"), [("newton", 8), ("optax_lbfgs", 80)])
def test_a_lane_without_end_is_flagged_and_touches_no_other(name, cap, backend, monkeypatch):
    """Thirty times the noise is fitted in more steps than there are, the others in fewer."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    problem, maps = noisy_block()
    problem = type(problem).create(
        problem.frequency, problem.inverse_sigma, problem.labels, problem.model
    )
    _, signal, _ = problem_and_signal()
    planted = maps.at[1].set(signal + 30 * (maps[1] - signal))
    chosen = replace(solver(name), max_steps=cap)
    good, found = (fit_block(chosen, chi_square, problem, m, bounds()) for m in (maps, planted))
    assert found.status.tolist() == [Status.CONVERGED, Status.MAX_STEPS, *[Status.CONVERGED] * 2]
    assert found.iterations[1] == cap
    others = [0, 2, 3]
    np.testing.assert_array_equal(found.iterations[others], good.iterations[others])
    np.testing.assert_array_equal(found.nll[others], good.nll[others])


def test_what_is_said_of_a_fit(block):
    chosen, problem, maps, result = block
    for i in range(len(maps)):
        params = {p: jnp.asarray(result.params[p][i]) for p in PARAMETERS}
        seen = observe(problem, maps[i])
        cmb = furax_cmb(params, problem, maps[i])
        np.testing.assert_allclose(result.nll[i], furax_nll(params, problem, seen), rtol=1e-10)
        np.testing.assert_allclose(result.cmb[i], cmb, atol=1e-8)
        np.testing.assert_allclose(
            result.cmb_variance[i], np.var(cmb[0]) + np.var(cmb[1]), rtol=1e-8
        )
        _, slope, curve = expand(params, problem, seen)
        worst = max(float(jnp.max(jnp.abs(slope[p]) / jnp.sqrt(curve[p]))) for p in PARAMETERS)
        # converged solvers leave 1e-9, of which sums in another order change a few 1e-12
        np.testing.assert_allclose(result.gradient_norm[i], worst, rtol=1e-3, atol=2e-11)
        assert worst < 1e-4


def test_gradient_norm_is_free_of_units(block):
    """The same fit in K, with the noise in K, stops the same (fgbuster issue 47)."""
    chosen, problem, maps, in_microkelvin = block
    kelvin = replace(problem, inverse_sigma=problem.inverse_sigma * 1e6)
    in_kelvin = fit_block(chosen, chi_square, kelvin, maps * 1e-6, bounds())
    np.testing.assert_allclose(in_kelvin.nll, in_microkelvin.nll, rtol=1e-9)
    np.testing.assert_array_equal(in_kelvin.status, in_microkelvin.status)
    assert np.all(in_kelvin.gradient_norm < 1e-4)


def test_padding_of_cluster_axes_changes_nothing(block):
    chosen, problem, maps, plain = block
    start, low, high = (
        {p: jnp.pad(v, (0, 5), mode="edge") for p, v in part.items()} for part in bounds()[:3]
    )
    longer = Bounds(start, low, high)
    padded = fit_block(chosen, chi_square, problem, maps, longer)
    np.testing.assert_allclose(padded.nll, plain.nll, rtol=1e-12)
    for p in PARAMETERS:
        assert padded.params[p].shape == plain.params[p].shape
        np.testing.assert_allclose(padded.params[p], plain.params[p], rtol=1e-6)


def test_only_a_solver_that_scans_certifies(block):
    chosen, _, maps, result = block
    certified = 1 if chosen.name == "newton" else NOT_ATTEMPTED
    assert result.scan_certified.tolist() == [certified] * len(maps)
    assert result.scan_certified.dtype == np.int8
    assert result.jumps.tolist() == [0] * len(maps)
    assert result.unconstrained.tolist() == [0] * len(maps)


@pytest.mark.parametrize("name", ["newton", "optax_lbfgs"])
def test_an_unconstrained_parameter_stays_finite_and_inside(name):
    """Maps of nothing but CMB say nothing of any parameter, whoever fits them."""
    problem, _, cmb = problem_and_signal()
    maps = jnp.broadcast_to(cmb, (1, problem.frequency.size, *cmb.shape))
    result = fit_block(solver(name), chi_square, problem, maps, bounds())
    assert Status(result.status[0]).usable
    assert result.unconstrained[0] == sum(COUNTS.values())
    for p, (_, low, high) in BOX.items():
        assert np.all((result.params[p] >= low) & (result.params[p] <= high))
    np.testing.assert_allclose(result.cmb[0], cmb, atol=1e-6)


def test_like_counts_share_every_program(monkeypatch):
    """A grid over cluster counts compiles for its first point, and hardly again."""
    # the programs of other tests must not make the process forget those of this one half-way
    monkeypatch.setattr("sweep.programs.MAPPINGS", 50_000)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration_secs, **_: (
            compiled.append(duration_secs) if "backend_compile" in event else None
        )
    )

    def count(*clusters):
        values = [f"clusters.{p}={n}" for p, n in zip(PARAMETERS, clusters, strict=True)]
        conf = sweep.compose(["sky.nside=8", "mask.expression=GAL060", *values])
        compiled.clear()
        assert (fit_experiment(conf, (0, 1)).status == Status.CONVERGED).all()
        return len(compiled)

    count(60, 3, 5)
    assert count(61, 4, 7) == 0
    assert count(40, 2, 6) <= 4  # start and box on axes of other lengths
