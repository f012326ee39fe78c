"""Small matrices written out, against numpy's."""

import jax.numpy as jnp
import numpy as np
import pytest

from sweep.problem.inverse import cholesky, element, inverse_of, solve

ROWS = 5


def matrices(count: int) -> np.ndarray:
    """Positive definite, shape (row, count, count)."""
    vectors = np.random.default_rng(count).normal(size=(ROWS, count, count + 2))
    return np.einsum("rif,rjf->rij", vectors, vectors)


def elements(dense: np.ndarray) -> dict:
    count = dense.shape[1]
    return {(i, j): jnp.asarray(dense[:, i, j]) for i in range(count) for j in range(i + 1)}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_inverse_is_that_of_every_row(count: int) -> None:
    dense = matrices(count)
    found = inverse_of(elements(dense), count)
    for i in range(count):
        for j in range(count):
            expected = np.linalg.inv(dense)[:, i, j]
            np.testing.assert_allclose(element(found, i, j), expected, rtol=1e-9, atol=1e-12)


def test_a_right_hand_side_is_solved_for_every_row() -> None:
    dense, right = matrices(4), np.random.default_rng(0).normal(size=(ROWS, 4))
    found = solve(cholesky(elements(dense), 4), [jnp.asarray(right[:, i]) for i in range(4)])
    expected = np.linalg.solve(dense, right[..., None])[..., 0]
    np.testing.assert_allclose(np.stack(found, axis=1), expected, rtol=1e-9)
