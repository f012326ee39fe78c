"""Fixtures that many tests share."""

import os

import jax
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
jax.config.update("jax_enable_x64", True)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache; one cache serves the whole run."""
    monkeypatch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True, scope="module")
def _few_programs():
    """One process runs all tests, and compiles more than Linux gives it memory mappings for."""
    from sweep.programs import forget_surplus_programs

    yield
    forget_surplus_programs()


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """Two experiments, two realisations each and the noise-free slot; read it, or copy it."""
    from tests.small import grid, run

    path = tmp_path_factory.mktemp("filled") / "small.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run(grid(path, "noise.ratio=1 noise.noiseless=true", "noise.ratio=2 noise.noiseless=true"))
    return path
