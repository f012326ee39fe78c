"""Compiled programs are forgotten before a process runs out of memory mappings."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep.programs
from sweep.programs import forget_surplus_programs, keeping_programs, mappings
from sweep.testing.small import assert_same_results, grid, run

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")


@keeping_programs
def _compiled(size: int) -> jax.stages.Compiled:
    return jax.jit(lambda x: jnp.linalg.cholesky(x @ x.T + size)).lower(np.eye(size)).compile()


def test_a_program_is_kept_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_surplus_programs()
    first = _compiled(2)
    forget_surplus_programs()
    assert _compiled(2) is first
    monkeypatch.setattr(sweep.programs, "MAPPINGS", mappings() - 1)
    forget_surplus_programs()
    assert _compiled(2) is not first


def test_mappings_stay_below_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = mappings() + 100
    monkeypatch.setattr(sweep.programs, "MAPPINGS", limit)
    counts = []
    for size in range(2, 42):
        _compiled(size)
        jax.jit(lambda x, size=size: jnp.linalg.inv(x + size))(np.eye(size))
        counts.append(mappings())
        forget_surplus_programs()
    assert max(counts) > limit  # else nothing was tested
    assert max(counts) < limit + 300


def test_what_is_forgotten_changes_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = ("clusters.beta_dust=2", "clusters.beta_dust=3", "solver=adam")
    run(grid(tmp_path / "kept.zarr", *points))
    monkeypatch.setattr(sweep.programs, "MAPPINGS", 0)
    run(grid(tmp_path / "forgotten.zarr", *points))
    assert_same_results(tmp_path / "kept.zarr", tmp_path / "forgotten.zarr", rtol=1e-12)
