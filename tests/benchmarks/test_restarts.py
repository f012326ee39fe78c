"""Restarts and what they prove."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import certificate
from benchmarks.cells import Cell
from benchmarks.restarts import drawn_start, upper_limit
from sweep.solvers import Bounds
from sweep.types import PARAMETERS


def test_a_start_follows_from_its_seed_and_realisation_alone() -> None:
    low = {p: jnp.full(500, -7.0) for p in PARAMETERS}
    high = {p: jnp.full(500, -0.5) for p in PARAMETERS}
    bounds = Bounds(start=low, low=low, high=high)
    one, again, other = (drawn_start(bounds, 0, n) for n in (3, 3, 4))
    for p in PARAMETERS:
        np.testing.assert_array_equal(one[p], again[p])
        assert not np.array_equal(one[p], other[p])
        assert -7 <= one[p].min() < -6.9
        assert -0.6 < one[p].max() <= -0.5
    assert not np.array_equal(one["beta_dust"], one["beta_pl"])


@pytest.mark.parametrize(
    ("lower", "of", "limit"),
    # 1 - 0.05^(1/n) for none; the others by summing the binomial distribution
    [(0, 600, 1 - 0.05 ** (1 / 600)), (4, 611, 0.014919), (5, 5, 1.0)],
)
def test_the_upper_limit_of_a_share(lower: int, of: int, limit: float) -> None:
    assert upper_limit(lower, of) == pytest.approx(limit, rel=1e-3)


def test_a_share_over_cells_counts_every_restart() -> None:
    def row(restarts: int, lower: int) -> certificate.Row:
        rest = dict.fromkeys(("higher", "lowest", "certified", "jumps", "seconds a fit"), 0)
        return {**Cell("a", "b", "c")._asdict(), **certificate.share(lower, restarts), **rest}

    total = certificate.overall([row(300, 0), row(300, 6)], "a")
    assert (total["restarts"], total["lower"], total["lower %"]) == (600, 6, 1.0)
    assert total["upper limit %"] > total["lower %"]
