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
