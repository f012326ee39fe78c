import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweep.statistics.moments import Moments


def of(values: np.ndarray, usable: np.ndarray | None = None) -> Moments:
    return Moments.of(values, np.ones(values.shape, bool) if usable is None else usable)


def assert_close(one: Moments, other: Moments, scale: float) -> None:
    np.testing.assert_array_equal(one.n, other.n)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12 * scale)
    for power in (2, 3, 4):
        sums = (getattr(m, f"m{power}") for m in (one, other))
        np.testing.assert_allclose(*sums, rtol=1e-10, atol=1e-11 * scale**power)


def test_moments_are_those_of_numpy_over_usable_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, (50, 7))
    usable = rng.random((50, 7)) < 0.5
    spoiled = np.where(usable, values, rng.choice([np.nan, np.inf, 1e300], values.shape))
    got = Moments.of(spoiled, usable)
    for row in range(len(values)):
        kept = values[row, usable[row]]
        assert got.n[row] == kept.size
        if kept.size > 0:
            assert got.mean[row] == pytest.approx(kept.mean(), rel=1e-13)
        if kept.size > 1:
            assert got.variance[row] == pytest.approx(kept.var(ddof=1), rel=1e-12)
            error = kept.std(ddof=1) / np.sqrt(kept.size)
            assert got.standard_error[row] == pytest.approx(error, rel=1e-12)
        if kept.size > 2:
            without = [np.delete(kept, i).var(ddof=1) for i in range(kept.size)]
            jackknife = np.sqrt(np.var(without) * (kept.size - 1))
            assert got.variance_error[row] == pytest.approx(jackknife, rel=1e-9)


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform"])
def test_the_error_of_the_variance_is_its_scatter(draw: str) -> None:
    values = getattr(np.random.default_rng(5), draw)(size=(20_000, 50))
    got = of(values)
    assert np.sqrt(np.mean(got.variance_error**2)) == pytest.approx(got.variance.std(), rel=0.06)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_values_give_nan_and_never_a_number(count: int) -> None:
    got = Moments.of(np.arange(3.0), np.arange(3) < count)
    assert got.n == count
    assert np.isnan(got.mean) == (count == 0)
    assert np.isnan(got.variance) == (count < 2)
    assert np.isnan(got.standard_error) == (count < 2)
    assert np.isnan(got.variance_error)


@given(
    values=hnp.arrays(float, (2, 12), elements=st.floats(-1e3, 1e3, allow_subnormal=False)),
    usable=hnp.arrays(bool, (2, 12)),
    cuts=st.lists(st.integers(0, 12), max_size=4).map(sorted),
)
def test_merged_parts_are_the_whole(
    values: np.ndarray, usable: np.ndarray, cuts: list[int]
) -> None:
    edges = [0, *cuts, 12]
    parts = [
        Moments.of(values[:, a:b], usable[:, a:b]) for a, b in zip(edges, edges[1:], strict=False)
    ]
    merged = parts[0]
    for one in parts[1:]:
        merged = merged.merge(one)
    whole = Moments.of(values, usable)
    scale = max(1.0, float(np.abs(values).max()))
    assert_close(merged, whole, scale)
    backwards = parts[-1]
    for one in parts[-2::-1]:
        backwards = one.merge(backwards)
    assert_close(backwards, whole, scale)


def test_merging_in_a_fixed_order_is_bit_for_bit_the_same() -> None:
    values = np.random.default_rng(1).normal(size=(3, 40))
    parts = [of(values[:, i : i + 10]) for i in range(0, 40, 10)]

    def fold() -> Moments:
        merged = parts[0]
        for one in parts[1:]:
            merged = merged.merge(one)
        return merged

    for attribute in ("n", "mean", "m2", "m3", "m4"):
        np.testing.assert_array_equal(getattr(fold(), attribute), getattr(fold(), attribute))


def test_a_large_offset_keeps_the_digits_of_a_small_scatter() -> None:
    scatter = np.random.default_rng(2).normal(0.0, 1e-3, 1000)
    values = 1e9 + scatter
    exact = (values - 1e9).var(ddof=1)  # the subtraction is exact
    whole = of(values)
    halves = of(values[:300]).merge(of(values[300:]))
    naive = (np.mean(values**2) - np.mean(values) ** 2) * 1000 / 999
    assert abs(naive / exact - 1) > 0.5  # what a sum of squares would give
    assert whole.variance == pytest.approx(exact, rel=1e-6)
    assert halves.variance == pytest.approx(exact, rel=1e-6)
    assert whole.mean - 1e9 == pytest.approx(scatter.mean(), abs=2e-7)
