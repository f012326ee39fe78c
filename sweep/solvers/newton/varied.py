"""The column that a scan varies, at every node of the scan and for every row of a tile."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sweep.problem.derivatives import products
from sweep.problem.sed import Tables

Values = Float[Array, "node row"]
Data = Float[Array, "tile frequency frequency row"]


class Varied(ABC):
    """Products of the varied column, shape (node, frequency, row), with vectors and matrices."""

    @abstractmethod
    def with_known(self, known: Float[Array, " frequency"]) -> Values:
        """With a vector that all rows share."""

    @abstractmethod
    def with_rows(self, vectors: Float[Array, "frequency row"]) -> Values:
        """With a vector of every row."""

    @abstractmethod
    def power(self) -> Values:
        """With itself."""

    @abstractmethod
    def seen_by(self, data: Data, tile: Int[Array, ""]) -> Values:
        """With itself, through the matrices of the rows of a tile."""


def varied_column(
    t: Tables, table: Float[Array, "node column"], beside: Sequence[Float[Array, "column row"]]
) -> Varied:
    """The column, in the form that is cheapest.

    Args:
        t: the tables of the rows.
        table: of the varied factor, one row a node of the scan.
        beside: the other factors of the same component.
    """
    if not beside:
        return Alone(t.over_band(table, axis=1))
    factor = reduce(mul, beside)
    if t.nodes == 1:
        return Product(table, factor)
    return Full(t.over_band(table[:, :, None] * factor, axis=1))


@dataclass(frozen=True)
class Product(Varied):
    """A table over the nodes times a factor of the row: products are products of matrices."""

    table: Float[Array, "node frequency"]
    factor: Float[Array, "frequency row"]

    def with_known(self, known: Float[Array, " frequency"]) -> Values:
        """See `Varied`."""
        return (self.table * known) @ self.factor

    def with_rows(self, vectors: Float[Array, "frequency row"]) -> Values:
        """See `Varied`."""
        return self.table @ (self.factor * vectors)

    def power(self) -> Values:
        """See `Varied`."""
        return self.table**2 @ self.factor**2

    def seen_by(self, data: Data, tile: Int[Array, ""]) -> Values:
        """See `Varied`."""
        squares, (f, g) = _squares(self.table)
        return squares @ (data[tile][f, g] * self.factor[f] * self.factor[g])


@dataclass(frozen=True)
class Alone(Varied):
    """A table over the nodes, the same for every row.

    No `Product` with ones, which XLA gets wrong (jaxlib 0.10.2, CPU).
    """

    table: Float[Array, "node frequency"]

    def with_known(self, known: Float[Array, " frequency"]) -> Values:
        """See `Varied`."""
        return (self.table @ known)[:, None]

    def with_rows(self, vectors: Float[Array, "frequency row"]) -> Values:
        """See `Varied`."""
        return self.table @ vectors

    def power(self) -> Values:
        """See `Varied`."""
        return jnp.sum(self.table**2, axis=1)[:, None]

    def seen_by(self, data: Data, tile: Int[Array, ""]) -> Values:
        """See `Varied`."""
        squares, (f, g) = _squares(self.table)
        return squares @ data[tile][f, g]


@dataclass(frozen=True)
class Full(Varied):
    """A sum over the nodes of bands, which is no product: written out."""

    column: Float[Array, "node frequency row"]

    def with_known(self, known: Float[Array, " frequency"]) -> Values:
        """See `Varied`."""
        return jnp.einsum("nfr,f->nr", self.column, known)

    def with_rows(self, vectors: Float[Array, "frequency row"]) -> Values:
        """See `Varied`."""
        return jnp.sum(self.column * vectors, axis=1)

    def power(self) -> Values:
        """See `Varied`."""
        return jnp.sum(self.column**2, axis=1)

    def seen_by(self, data: Data, tile: Int[Array, ""]) -> Values:
        """See `Varied`."""
        return jnp.sum(self.column * products(data, tile, self.column), axis=1)


def _squares(table: Array) -> tuple[Array, tuple[np.ndarray, np.ndarray]]:
    """Products of the columns of a table; what is beyond the diagonal counts twice."""
    f, g = np.triu_indices(table.shape[1])
    return table[:, f] * table[:, g] * np.where(f == g, 1.0, 2.0), (f, g)
