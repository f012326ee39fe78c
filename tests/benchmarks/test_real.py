"""Fits of the real sky, where its data are."""

import pytest

from benchmarks.real import SKY, real_sky
from sweep.assemble.setup import build
from sweep.fit import fit_block
from sweep.types import Status


@pytest.mark.skipif(not SKY.exists(), reason="needs the real sky")
def test_weak_curvatures_are_followed_below_rounding() -> None:
    """One draw of a thousand whose last steps, all below rounding, each gain a tenth."""
    counts = ("clusters.beta_dust=3000", "clusters.temp_dust=500", "clusters.beta_pl=300")
    setup = build(real_sky("mask.expression=GAL020", *counts))
    maps = setup.maps((18,))
    result = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    assert result.status[0] == Status.CONVERGED
    assert result.gradient_norm[0] < 1e-6
