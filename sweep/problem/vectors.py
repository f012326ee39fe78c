"""The fitted columns of the mixing matrix and their derivatives, as numbered vectors of a row."""

from dataclasses import dataclass
from functools import cache, reduce
from operator import mul

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweep.model import Exponential, SkyModel
from sweep.problem.sed import Tables


def triangle(count: int) -> tuple[tuple[int, int], ...]:
    """Pairs of numbers below `count`, the larger first: what is held of a symmetric matrix."""
    return tuple((i, j) for i in range(count) for j in range(i + 1))


def place(i: int, j: int) -> int:
    """Where `triangle` has a pair, in any order."""
    high, low = max(i, j), min(i, j)
    return high * (high + 1) // 2 + low


def diagonal(count: int) -> tuple[int, ...]:
    """Where in `triangle` each is with itself."""
    return tuple(place(i, i) for i in range(count))


@dataclass(frozen=True)
class Vectors:
    """Numbers of the vectors: columns, then their first and then their second derivatives.

    Attributes:
        components: number of the columns.
        column: of every parameter.
        second: of the pairs of parameters of one column.
    """

    components: int
    column: tuple[int, ...]
    second: dict[tuple[int, int], int]

    @property
    def parameters(self) -> int:
        """Number of the parameters."""
        return len(self.column)

    @property
    def first(self) -> tuple[int, ...]:
        """Of every parameter the derivative of its column."""
        return tuple(range(self.components, self.components + self.parameters))

    @property
    def inner_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs whose inner products are needed: with columns, and of first derivatives."""
        count = self.components + self.parameters + len(self.second)
        with_columns = ((k, c) for k in range(count) for c in range(self.components) if c <= k)
        with_each_other = ((self.first[i], self.first[j]) for i, j in triangle(self.parameters))
        return (*with_columns, *with_each_other)


@cache
def vectors_of(model: SkyModel) -> Vectors:
    """The vectors of a model."""
    column = model.component_of
    pairs = [(i, j) for i, j in triangle(len(column)) if column[i] == column[j]]
    first_free = len(model.components) + len(column)
    second = {pair: first_free + k for k, pair in enumerate(pairs)}
    return Vectors(len(model.components), column, second)


def stacked(
    t: Tables, model: SkyModel, index: Int[Array, "parameter row"]
) -> Float[Array, "vector frequency row"]:
    """Evaluate them all."""

    def but(*parameters: int) -> list[Array]:
        return t.factors_of(model, model.component_of[parameters[0]], index, parameters)

    def first(i: int) -> Array:
        factor = t.factors[i]
        if isinstance(factor, Exponential):
            return factor.rate[:, None] * columns[model.component_of[i]]
        return reduce(mul, [*but(i), factor.first[index[i]].T])

    def second(i: int, j: int) -> Array:
        a, b = t.factors[i], t.factors[j]
        if isinstance(a, Exponential):
            return a.rate[:, None] * firsts[j]
        if isinstance(b, Exponential):
            return b.rate[:, None] * firsts[i]
        if i == j:
            return reduce(mul, [*but(i), a.second[index[i]].T])
        return reduce(mul, [*but(i, j), a.first[index[i]].T, b.first[index[j]].T])

    columns = t.at_nodes(model, index)
    firsts = [first(i) for i in range(len(model.parameters))]
    seconds = [second(i, j) for i, j in vectors_of(model).second]
    # without the barrier each use evaluates them anew
    return jax.lax.optimization_barrier(
        t.over_band(jnp.stack([*columns, *firsts, *seconds]), axis=1)
    )
