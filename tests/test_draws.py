import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep import draws

SEEDS = (0, 7, 2**31 + 5, 2**40 + 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_and_numbers_are_those_of_jax_by_default(seed: int) -> None:
    with jax.enable_x64(True):
        theirs = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), 1000)
        ours = draws.fold_in(draws.key_of(seed), 1000)
        np.testing.assert_array_equal(ours, jax.random.key_data(theirs))
        for shape in ((5,), (3, 2, 192)):
            expected = jax.random.normal(theirs, shape, jnp.float64)
            np.testing.assert_array_equal(draws.normal(ours, shape), expected)


def test_numbers_are_finite_where_all_bits_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    for bits in (0, 2**32 - 1):
        equal = lambda key, counts, bits=bits: jnp.full_like(counts, bits)  # noqa: E731
        monkeypatch.setattr(draws, "threefry_2x32", equal)
        assert np.all(np.isfinite(draws.normal(draws.key_of(0), (2,))))
