from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import psutil
import pytest

from sweep import worker
from sweep.assemble.setup import Setup, build
from sweep.memory import auto_block, block_bytes, halving
from sweep.problem import observe_block
from sweep.solvers.newton import NewtonSolver
from sweep.testing.small import run, small
from sweep.worker import fit_experiment


@pytest.fixture(scope="module")
def setup() -> Setup:
    return build(small())


def block(setup: Setup, realisations: int, workers: int = 1) -> int:
    return auto_block(
        setup.solver, setup.objective, setup.problem, setup.bounds, realisations, workers
    )


def free(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def needs(setup: Setup, count: int) -> float:
    return block_bytes(setup.solver, setup.objective, setup.problem, setup.bounds)(count)


def test_a_realisation_takes_at_least_its_maps(setup: Setup) -> None:
    size = setup.signal(0).nbytes
    assert 2 * size < needs(setup, 1) < 2000 * size
    # a CPU has the data of all, and works on one at a time
    more = [needs(setup, n + 1) - needs(setup, n) for n in (1, 2, 3)]
    assert more[0] == more[1] == more[2] > 2 * size
    assert more[0] < needs(setup, 1)


def test_more_pixels_take_more() -> None:
    """Four times the pixels; the rows of the likelihood, padded, are the same."""
    few, many = (needs(build(small(f"sky.nside={nside}")), 1) for nside in (32, 64))
    assert 2 * few < many < 4 * few


def test_on_a_cpu_few_are_fitted_together(setup: Setup) -> None:
    assert block(setup, 100) == setup.solver.cpu_block == 4
    assert block(setup, 3) == 3
    assert block(setup, 1) == 1


def test_workers_share_the_memory_and_one_realisation_is_always_tried(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2 * int(needs(setup, 3)) + 2)
    assert block(setup, 100) == 3
    free(monkeypatch, 4 * int(needs(setup, 2)) + 4)
    assert block(setup, 100, workers=2) == 2
    free(monkeypatch, 0)
    assert block(setup, 100) == 1


def card(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    """An accelerator with so many bytes, as jax reports them."""
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": memory})
    monkeypatch.setattr(jax, "devices", lambda: [device])


def test_on_an_accelerator_its_own_memory_counts(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    card(monkeypatch, 2 * int(needs(setup, 100)) + 2)
    free(monkeypatch, 0)
    assert block(setup, 1000) == 100
    assert block(setup, 50) == 50


def test_on_an_accelerator_the_lanes_of_newton_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is foreseen for six lanes is what the program of six takes, and the card holds it."""
    with monkeypatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        setup = build(small("solver=newton"))
        solver, problem = setup.solver, setup.problem
        assert isinstance(solver, NewtonSolver)
        assert [solver.lanes(n) for n in (1, 6, 63, 64, 400)] == [1, 6, 63, 16, 100]
        rows = observe_block(problem, setup.maps(tuple(range(6)))).rows
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), rows)
        lane = solver.lane_bytes(problem, one, setup.bounds)
        taken = solver.compiled(problem, rows, setup.bounds).memory_analysis()
        assert taken is not None
        np.testing.assert_allclose(6 * lane, taken.temp_size_in_bytes, rtol=0.05)
        foreseen = needs(setup, 6)
        assert foreseen > taken.temp_size_in_bytes + taken.argument_size_in_bytes
        card(patch, 2 * int(foreseen))
        assert block(setup, 63) == 6
        card(patch, 2 * int(needs(setup, 64)))  # a lane for every fourth of so many
        assert block(setup, 64) == 64
        assert block(setup, 63) < 63  # each of these has a lane


EXHAUSTED = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes."


def starved(compute, most: int):
    """`compute` on a machine that holds `most` realisations; the sizes that were asked for."""
    asked: list[int] = []

    def limited(numbers: tuple[int, ...]):
        asked.append(len(numbers))
        if len(numbers) > most:
            raise jax.errors.JaxRuntimeError(EXHAUSTED)
        return compute(numbers)

    return limited, asked


def starve(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Memory runs out inside `fit_block` with more than `most`; the sizes that were asked for."""
    fit_block, asked = worker.fit_block, []

    def limited(solver, objective, problem, maps, bounds, further):
        asked.append(len(maps))
        if len(maps) > most:
            raise jax.errors.JaxRuntimeError(EXHAUSTED)
        return fit_block(solver, objective, problem, maps, bounds, further)

    monkeypatch.setattr(worker, "fit_block", limited)
    return asked


def test_a_block_that_does_not_fit_is_halved_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conf = small("noise.realisations=5")
    together = fit_experiment(conf, (0, 1, 2, 3, 4))
    for most, sizes in ((4, [5, 2, 3]), (2, [5, 2, 3, 1, 2]), (1, [5, 2, 1, 1, 3, 1, 2, 1, 1])):
        with monkeypatch.context() as patch:
            asked = starve(patch, most)
            parts = fit_experiment(conf, (0, 1, 2, 3, 4))
        assert asked == sizes
        np.testing.assert_array_equal(parts.status, together.status)
        np.testing.assert_allclose(parts.nll, together.nll, rtol=1e-12)
        np.testing.assert_allclose(parts.cmb, together.cmb, rtol=1e-7)
        for parameter, values in together.params.items():
            np.testing.assert_allclose(parts.params[parameter], values, rtol=1e-7)


def test_where_no_realisation_fits_the_unit_fails_and_the_next_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confs = [
        small("noise.realisations=4", "fit.block=4", ratio, store=tmp_path / "a.zarr")
        for ratio in ("noise.ratio=1", "noise.ratio=2")
    ]
    with monkeypatch.context() as patch:
        asked = starve(patch, 0)
        failed = run(confs).failed
    assert asked == [4, 2, 1] * 2  # each stops at one, and is not tried again
    assert len(failed) == 2
    assert all("one realisation alone" in str(outcome.error) for outcome in failed)
    assert run(confs).missing == 0


def test_one_realisation_that_does_not_fit_says_so() -> None:
    limited, asked = starved(lambda numbers: numbers, most=0)
    with pytest.raises(MemoryError, match="one realisation alone"):
        halving(limited, range(4))
    assert asked == [4, 2, 1]


def test_other_errors_are_not_retried() -> None:
    def broken(numbers: tuple[int, ...]) -> None:
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID_ARGUMENT"):
        halving(broken, range(4))
