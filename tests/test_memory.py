from types import SimpleNamespace

import jax
import numpy as np
import psutil
import pytest

from sweep.config.build import Setup, build
from sweep.fit import joined
from sweep.memory import auto_block, bytes_per_realisation, halving
from sweep.worker import fit_experiment
from tests.small import small


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return build(small())


def block(setup: Setup, realisations: int, workers: int = 1) -> int:
    return auto_block(
        setup.solver, setup.objective, setup.problem, setup.bounds, realisations, workers
    )


def free(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def test_a_realisation_takes_at_least_its_maps(setup: Setup) -> None:
    size = setup.signal.nbytes
    assert size < bytes_per_realisation(setup.objective, setup.problem, setup.bounds) < 1000 * size


def test_more_pixels_take_more() -> None:
    """Four times the pixels; the rows of the likelihood, padded, are the same."""
    fine, coarse = build(small("sky.nside=64")), build(small("sky.nside=32"))
    few = bytes_per_realisation(coarse.objective, coarse.problem, coarse.bounds)
    many = bytes_per_realisation(fine.objective, fine.problem, fine.bounds)
    assert 2 * few < many < 4 * few


def test_on_a_cpu_few_are_fitted_together(setup: Setup) -> None:
    assert block(setup, 100) == setup.solver.cpu_block == 4
    assert block(setup, 3) == 3
    assert block(setup, 1) == 1


def test_workers_share_the_memory_and_one_realisation_is_always_tried(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bytes_per_realisation(setup.objective, setup.problem, setup.bounds)
    free(monkeypatch, 14 * each)
    assert block(setup, 100) == 3
    assert block(setup, 100, workers=2) == 1
    free(monkeypatch, 0)
    assert block(setup, 100) == 1


def test_on_an_accelerator_its_own_memory_counts(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = bytes_per_realisation(setup.objective, setup.problem, setup.bounds)
    card = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 400 * each})
    free(monkeypatch, 0)
    monkeypatch.setattr(jax, "devices", lambda: [card])
    assert block(setup, 1000) == 100
    assert block(setup, 50) == 50


def starved(compute, most: int):
    """`compute` on a machine that holds `most` realisations; the sizes that were asked for."""
    asked: list[int] = []

    def limited(numbers: tuple[int, ...]):
        asked.append(len(numbers))
        if len(numbers) > most:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 byte")
        return compute(numbers)

    return limited, asked


def test_a_block_that_does_not_fit_is_halved_and_nothing_is_lost() -> None:
    conf = small("noise.realisations=5")
    together = fit_experiment(conf, (0, 1, 2, 3, 4))
    limited, asked = starved(lambda numbers: fit_experiment(conf, numbers), most=2)
    parts = joined(halving(limited, range(5)))
    assert asked == [5, 2, 3, 1, 2]
    np.testing.assert_array_equal(parts.status, together.status)
    np.testing.assert_allclose(parts.nll, together.nll, rtol=1e-12)


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
