from types import SimpleNamespace

import jax
import psutil
import pytest

from sweep.config.build import Setup, build
from sweep.memory import CPU_BLOCK, auto_block, bytes_per_realisation
from tests.small import small


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return build(small())


def block(setup: Setup, realisations: int, workers: int = 1) -> int:
    return auto_block(setup.objective, setup.problem, setup.bounds, realisations, workers)


def free(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def test_a_realisation_takes_at_least_its_maps(setup: Setup) -> None:
    size = setup.signal.nbytes
    assert size < bytes_per_realisation(setup.objective, setup.problem, setup.bounds) < 1000 * size


def test_twice_the_pixels_take_more(setup: Setup) -> None:
    larger = build(small("sky.nside=8"))
    few = bytes_per_realisation(setup.objective, setup.problem, setup.bounds)
    many = bytes_per_realisation(larger.objective, larger.problem, larger.bounds)
    assert 2 * few < many < 8 * few


def test_on_a_cpu_few_are_fitted_together(setup: Setup) -> None:
    assert block(setup, 100) == CPU_BLOCK
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
