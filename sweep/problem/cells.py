"""Cells: the pixels that share the clusters of all parameters.

The likelihood knows the pixels of a cell only through the sum of d d^T over them, which is exact,
not an approximation. Where cells hold hardly more than a pixel, the two vectors Q and U of a pixel
are less than their matrix; then the rows of the likelihood are pixels.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from sweep.types import FrequencyMaps

PIXELS_A_CELL = 2.2
"""From this many pixels a cell on, cells are made. They are faster from 1.7 on, at 0.7 us a cell
and 0.4 us a pixel, but hold 225 numbers each with 15 bands, where a pixel holds 30."""

TILE = 128
"""Rows that a CPU works on at a time, so that a dozen arrays of them stay in its cache."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cells:
    """Rows of the likelihood, in tiles; what fills the last tile has no data.

    Attributes:
        index: cluster of every parameter, shape (parameter, tile, row); behind them the class of
            weights, where pixels have classes.
        row: row of every pixel, shape (pixel,); its own number where rows are pixels.
        filled: number of tiles that hold any row.
        lengths: axes of the tables of the parameters; problems of like size share them.
        most: the parameter with most clusters; its axis is as long as the rows.
        form: `cells` or `pixels`: what a row is.
    """

    index: Int[Array, "parameter tile row"]
    row: Int[Array, " pixel"]
    filled: Int[Array, ""]
    lengths: tuple[int, ...] = field(metadata={"static": True})
    most: int = field(metadata={"static": True})
    form: str = field(metadata={"static": True})

    @property
    def flat_index(self) -> Int[Array, "parameter row"]:
        """Cluster of every parameter, without tiles."""
        count = len(self.lengths)
        return self.index[:count].reshape(count, -1)

    def over_tiles(self, one: Callable[[Array], Any]) -> Any:
        """Results of `one` for the numbers of all tiles, joined along their last axis, the rows.

        Where no rows are filled, the result is zero.
        """
        count, length = self.index.shape[1:]
        if count == 1:
            return one(jnp.int32(0))

        def put(i: Array, out: Any, tile: Any) -> Any:
            start = jnp.maximum(i, 0) * length
            return jax.tree.map(
                lambda all_, leaf: jax.lax.dynamic_update_slice_in_dim(all_, leaf, start, -1),
                out,
                tile,
            )

        def body(i: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            # a tile is put in place by the next turn: XLA on a CPU does not vectorise what it
            # fuses with that (jaxlib 0.10.2)
            out, last = carry
            return put(i - 1, out, last), one(i)

        shapes = jax.eval_shape(one, self.filled)
        empty = jax.tree.map(lambda x: jnp.zeros((*x.shape[:-1], count * length), x.dtype), shapes)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        return put(self.filled - 1, *jax.lax.fori_loop(0, self.filled, body, (empty, nothing)))


class Rows(NamedTuple):
    """One realisation, whitened and without what the columns of known spectrum span.

    Attributes:
        data: sum of d d^T over a cell, shape (tile, frequency, frequency, row), or the vectors of
            a pixel, shape (tile, frequency, stokes, row).
        power: d^T d of every row, shape (tile, row).
        total: d^T d of the realisation before the projection; nll = chi_square - total.
    """

    data: Float[Array, "tile ..."]
    power: Float[Array, "tile row"]
    total: Scalar


def group(labels: list[np.ndarray], form: str = "auto", classes: np.ndarray | None = None) -> Cells:
    """Group pixels by their labels, one array of cluster numbers a parameter; on the host.

    Pixels of different `classes` are in different rows.
    """
    counts = [int(v.max()) + 1 for v in labels]
    key = np.ravel_multi_index([v.astype(np.int64) for v in labels], counts)
    every = labels if classes is None else [*labels, classes]
    if classes is not None:
        _, numbered = np.unique(key, return_inverse=True)  # of keys themselves there are too many
        key = numbered * (int(classes.max()) + 1) + classes
    _, first, row = np.unique(key, return_index=True, return_inverse=True)
    if form == "auto":
        form = "cells" if key.size >= PIXELS_A_CELL * first.size else "pixels"
    if form == "pixels":
        first = row = np.arange(key.size)
    n_rows = bucket(first.size) if form == "cells" else -(-first.size // TILE) * TILE
    tile = TILE if jax.default_backend() == "cpu" else n_rows
    index = np.zeros((len(every), n_rows), np.int32)
    index[:, : first.size] = [v[first] for v in every]
    most = int(np.argmax(counts))
    others = max((count for i, count in enumerate(counts) if i != most), default=1)
    coarse = min(n_rows, max(512, _power_of_8(others)))
    return Cells(
        index=jnp.asarray(index.reshape(len(every), -1, tile)),
        row=jnp.asarray(row, jnp.int32),
        filled=jnp.int32(-(-first.size // tile)),
        lengths=tuple(n_rows if i == most else coarse for i in range(len(labels))),
        most=most,
        form=form,
    )


def _power_of_8(count: int) -> int:
    """The next of 8, 64, 512, ..."""
    return 8 ** max(1, -(-(count - 1).bit_length() // 3))


def bucket(count: int) -> int:
    """The next of 1024, 2048, 4096, ...: lengths that like problems share."""
    return 1 << (max(count, 1024) - 1).bit_length()


def reduce(cells: Cells, basis: Sequence[Array], whitened: FrequencyMaps) -> Rows:
    """Take a basis out of the whitened maps of one realisation, and sum over cells.

    Args:
        cells: the rows.
        basis: orthonormal, shape (frequency,) each, or (frequency, pixel) where pixels differ.
        whitened: the maps over their noise.
    """
    d = whitened
    for known in basis:
        if known.ndim == 1:
            d = d - known[:, None, None] * jnp.tensordot(known, whitened, 1)
        else:
            d = d - known[:, None] * jnp.sum(known[:, None] * whitened, axis=0)
    tiles, tile = cells.index.shape[1:]
    n_frequency, n_stokes, n_pixels = whitened.shape
    total = jnp.sum(whitened**2)
    if cells.form == "pixels":
        d = jnp.pad(d, ((0, 0), (0, 0), (0, tiles * tile - n_pixels)))
        data = d.reshape(n_frequency, n_stokes, tiles, tile).transpose(2, 0, 1, 3)
        return Rows(data, jnp.sum(data**2, axis=(1, 2)), total)
    moments = _moments(d, cells.row, tiles * tile).reshape(tiles, tile, n_frequency, n_frequency)
    return Rows(moments.transpose(0, 2, 3, 1), jnp.einsum("trff->tr", moments), total)


def _moments(d: FrequencyMaps, row: Int[Array, " pixel"], n_rows: int) -> Array:
    """Sum of d d^T over the pixels of every row, a tile of pixels at a time."""
    n_frequency, n_stokes, n_pixels = d.shape
    pad = -n_pixels % TILE
    d = jnp.pad(d, ((0, 0), (0, 0), (0, pad))).transpose(2, 0, 1)
    tiles = (d.reshape(-1, TILE, n_frequency, n_stokes), jnp.pad(row, (0, pad)).reshape(-1, TILE))

    def add(moments: Array, tile: tuple[Array, Array]) -> tuple[Array, None]:
        vectors, rows = tile
        of_stokes = (vectors[..., s] for s in range(n_stokes))
        outer = functools.reduce(operator.add, (v[:, :, None] * v[:, None, :] for v in of_stokes))
        return moments.at[rows].add(outer), None

    return jax.lax.scan(add, jnp.zeros((n_rows, n_frequency, n_frequency), d.dtype), tiles)[0]
