"""Errors of the data's instrument: their addresses, their size, and what they do to maps."""

from collections.abc import Iterator

import jax
import numpy as np
import pytest

from sweep import draws
from sweep.mismatch import STREAM, Drawn, Mismatch, distorted


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def mismatch(bands: int) -> Mismatch:
    return Mismatch(Drawn(*(np.full(bands, sigma) for sigma in (0.01, 0.02, 3.0))))


def test_an_address_is_one_draw_and_a_further_band_changes_no_other() -> None:
    few, more = mismatch(3).drawn(5, 2), mismatch(4).drawn(5, 2)
    for one, other in zip(few, more, strict=True):
        np.testing.assert_array_equal(one, other[:3])
    assert not np.array_equal(few.gain, mismatch(3).drawn(5, 3).gain)
    assert not np.array_equal(few.gain, mismatch(3).drawn(6, 2).gain)


def test_draws_are_threefrys_in_a_stream_of_their_own() -> None:
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(5), STREAM), 2)
    unit = np.asarray(jax.random.normal(key, (3, 3), jax.numpy.float64))
    found = mismatch(3).drawn(5, 2)
    np.testing.assert_allclose(found.shift, 0.02 * unit[:, 1], rtol=1e-13)
    noise = draws.normal(draws.fold_in(draws.key_of(5), 2), (9,))
    assert np.abs(np.asarray(noise) - unit.ravel()).min() > 1e-6


def test_moments() -> None:
    found = np.array([mismatch(5).drawn(1, r) for r in range(200)])
    count = found.shape[0] * found.shape[2]
    np.testing.assert_allclose(
        found.std(axis=(0, 2)), [0.01, 0.02, 3.0], rtol=5 / np.sqrt(2 * count)
    )
    flat = found.reshape(200, -1)
    correlation = np.corrcoef(flat.T) - np.eye(flat.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(200)


def test_angle_and_gain() -> None:
    maps = np.random.default_rng(0).standard_normal((2, 2, 7))
    none = np.zeros(2)
    turned = distorted(maps, Drawn(none, none, np.array([45.0, 0.0])))
    np.testing.assert_allclose(turned[0], [-maps[0, 1], maps[0, 0]], atol=1e-15)
    np.testing.assert_array_equal(turned[1], maps[1])
    stronger = distorted(maps, Drawn(np.array([0.1, -0.2]), none, none))
    np.testing.assert_allclose(stronger, maps * np.array([1.1, 0.8])[:, None, None], rtol=1e-15)
