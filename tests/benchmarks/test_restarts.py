"""Restarts and what they prove."""

import pytest

from benchmarks import certificate
from benchmarks.cells import Cell
from benchmarks.restarts import upper_limit


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
