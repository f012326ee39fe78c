"""Small positive definite matrices, one a row, written out: batched routines do not fuse."""

from collections.abc import Iterable
from functools import reduce
from operator import add

import jax.numpy as jnp
from jaxtyping import Array

Symmetric = dict[tuple[int, int], Array]
"""Elements of a symmetric matrix of every row, by their place, the larger number first."""


def sum_of(terms: Iterable[Array]) -> Array:
    """The sum of at least one array, of different shapes perhaps, without a zero to begin with."""
    return reduce(add, terms)


def element(matrix: Symmetric, i: int, j: int) -> Array:
    """An element by its place in any order."""
    return matrix[max(i, j), min(i, j)]


def inverse_of(matrix: Symmetric, count: int) -> Symmetric:
    """The inverse of a matrix of `count` rows; other elements that there are do not matter."""
    if count == 1:
        return {(0, 0): 1.0 / matrix[0, 0]}
    if count == 2:
        uu, uw, ww = matrix[0, 0], matrix[1, 0], matrix[1, 1]
        determinant = uu * ww - uw**2
        return {(0, 0): ww / determinant, (1, 0): -uw / determinant, (1, 1): uu / determinant}
    return _by_cholesky(matrix, count)


def cholesky(matrix: Symmetric, count: int) -> Symmetric:
    """The lower factor."""
    factor: Symmetric = {}
    for i in range(count):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest = rest - factor[i, k] * factor[j, k]
            factor[i, j] = jnp.sqrt(rest) if i == j else rest / factor[j, j]
    return factor


def solve(factor: Symmetric, right: list[Array]) -> list[Array]:
    """Solve with the matrix whose lower factor it is, for one right-hand side."""
    count, lower = len(right), []
    for i in range(count):
        rest = right[i]
        for k in range(i):
            rest = rest - factor[i, k] * lower[k]
        lower.append(rest / factor[i, i])
    solution: list[Array] = [*lower]
    for i in reversed(range(count)):
        rest = lower[i]
        for k in range(i + 1, count):
            rest = rest - factor[k, i] * solution[k]
        solution[i] = rest / factor[i, i]
    return solution


def _by_cholesky(matrix: Symmetric, count: int) -> Symmetric:
    factor = cholesky(matrix, count)
    one = jnp.ones_like(matrix[0, 0])
    columns = [
        solve(factor, [one if i == j else 0.0 * one for i in range(count)]) for j in range(count)
    ]
    return {(i, j): columns[j][i] for i in range(count) for j in range(i + 1)}
