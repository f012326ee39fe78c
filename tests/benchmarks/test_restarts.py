"""Restarts and what they prove."""

import pytest

from benchmarks.restarts import upper_limit


@pytest.mark.parametrize(
    ("lower", "of", "limit"),
    # 1 - 0.05^(1/n) for none; the others by summing the binomial distribution
    [(0, 600, 1 - 0.05 ** (1 / 600)), (4, 611, 0.014919), (5, 5, 1.0)],
)
def test_the_upper_limit_of_a_share(lower: int, of: int, limit: float) -> None:
    assert upper_limit(lower, of) == pytest.approx(limit, rel=1e-3)
