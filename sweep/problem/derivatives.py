r"""Value, gradient and Hessian of chi_square, row by row.

A row (a cell, or a pixel) has whitened data d without the part of the components whose spectrum is
known (the CMB's), and the fitted columns A, one a component. With s = (A^T A)^-1 A^T d and the
residual r = d - A s (variable projection, Golub and Pereyra 1973), chi_square = r^T r, and for a
parameter i of column c with dA/di = v_i

    gradient_i = -2 s_c (v_i . r)
    hessian_ij = 2 [ s_c s_c' v_i P v_j - s_c (v_ij . r) + s_c (v_j . r) (G_i C)_c'
                     + s_c' (v_i . r) (G_j C)_c - C_cc' (v_i . r) (v_j . r) ]

where C = (A^T A)^-1, G_i = v_i^T A, P projects out A and the known columns, and products of data
are summed over Stokes parameters and the pixels of the row. The first term alone is the
Gauss-Newton matrix, which is never indefinite.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sweep.model import SkyModel
from sweep.problem.cells import Rows
from sweep.problem.inverse import Symmetric, element, inverse_of, sum_of
from sweep.problem.sed import Spectral, SpectralProblem, Tables, tables
from sweep.problem.vectors import Vectors, stacked, triangle, vectors_of

_TERMS = 3
"""Frequencies that a turn of a loop adds up; on a CPU more or less are slower."""

Product = Callable[[int, int], Array]
Pairs = tuple[tuple[int, int], ...]


class Derivatives(NamedTuple):
    """Per row; the parameters are those of `sweep.problem.sed.coordinates`.

    Attributes:
        chi_square: shape (row,).
        gradient: shape (parameter, row).
        hessian, gauss_newton: in the order of `triangle`, shape (pair, row).
    """

    chi_square: Float[Array, " row"]
    gradient: Float[Array, "parameter row"]
    hessian: Float[Array, "pair row"]
    gauss_newton: Float[Array, "pair row"]


def derivatives(problem: SpectralProblem, rows: Rows, spectral: Spectral) -> Derivatives:
    """Evaluate the rows of one realisation."""
    t = tables(problem, spectral)
    of_tile = _of_cells if problem.cells.form == "cells" else _of_pixels
    known = (problem.model, t, problem.cells.index, rows)
    return problem.cells.over_tiles(partial(of_tile, *known))


def row_values(problem: SpectralProblem, rows: Rows, spectral: Spectral) -> Float[Array, " row"]:
    """Evaluate `chi_square` only."""
    t, model = tables(problem, spectral), problem.model
    among = triangle(len(model.components))

    def of_tile(tile: Array) -> Array:
        index, value = problem.cells.index[:, tile], rows.power[tile]
        columns = jnp.stack(t.columns(model, index))
        gram = _gram(t.known(index), columns, among)
        if problem.cells.form == "cells":
            m = _inner(columns, products(rows.data, tile, columns), among)
        else:
            y = jnp.einsum("kfr,fsr->ksr", columns, rows.data[tile])
            m = {(k, c): jnp.sum(y[k] * y[c], axis=0) for k, c in among}
        inverse = inverse_of(gram, len(model.components))
        for k, c in among:
            value = value - (1.0 if k == c else 2.0) * inverse[k, c] * m[k, c]
        return value

    return problem.cells.over_tiles(of_tile)


def _gram(basis: list[Array], vectors: Array, pairs: Pairs) -> Symmetric:
    """Inner products without the part of the known columns."""
    projected = _inner(vectors, vectors, pairs)
    for known in basis:
        along = _over_frequencies(lambda f, b=known: b[f] * vectors[:, f], vectors.shape[1])
        projected = {(k, c): p - along[k] * along[c] for (k, c), p in projected.items()}
    return projected


def _inner(left: Array, right: Array, pairs: Pairs) -> Symmetric:
    """Inner products of the pairs of vectors."""
    k, c = np.array(pairs).T
    found = _over_frequencies(lambda f: left[k, f] * right[c, f], left.shape[1])
    return dict(zip(pairs, found, strict=True))


def products(
    data: Float[Array, "tile frequency frequency row"],
    tile: Int[Array, ""],
    vectors: Float[Array, "vector frequency row"],
) -> Float[Array, "vector frequency row"]:
    """The matrices of the rows of a tile times vectors; a copy of the tile would cost a tenth."""
    return _over_frequencies(lambda f: data[tile, :, f] * vectors[:, f, None], data.shape[1])


def _over_frequencies(term: Callable[[Array], Array], count: int) -> Array:
    """Sum of `term` over so many frequencies.

    A loop, because XLA on a CPU (jaxlib 0.10.2) evaluates a sum that is written out once for
    every use, and keeps more of it in memory.
    """
    at_once = _TERMS if count % _TERMS == 0 else 1
    zero = jnp.zeros_like(jax.eval_shape(term, 0))
    return jax.lax.fori_loop(0, count, lambda f, sum_: sum_ + term(f), zero, unroll=at_once)


def _of_cells(model: SkyModel, t: Tables, index: Array, rows: Rows, tile: Array) -> Derivatives:
    v = vectors_of(model)
    columns = range(v.components)
    vectors = stacked(t, model, index[:, tile])
    seen = products(rows.data, tile, vectors[: v.components + v.parameters])
    m = partial(element, _inner(vectors, seen, v.inner_pairs))

    gram = _gram(t.known(index[:, tile]), vectors, v.inner_pairs)
    inverse = inverse_of(gram, v.components)
    c = partial(element, inverse)
    ss = {
        (a, b): sum_of(c(a, i) * m(i, j) * c(j, b) for i in columns for j in columns)
        for a, b in triangle(v.components)
    }
    ss_of = partial(element, ss)

    def s_rho(a: int, k: int) -> Array:
        return sum_of(c(a, i) * m(k, i) - ss_of(a, i) * gram[k, i] for i in columns)

    def rho_rho(i: int, j: int) -> Array:
        k, n = v.first[i], v.first[j]
        # rho_k . d_n - (G_n s) . rho_k
        with_data = m(k, n) - sum_of(
            gram[k, a] * c(a, b) * m(n, b) for a in columns for b in columns
        )
        return with_data - sum_of(gram[n, a] * s_rho(a, k) for a in columns)

    chi_square = rows.power[tile] - sum_of(c(a, b) * m(a, b) for a in columns for b in columns)
    return _combine(v, chi_square, gram, c, ss_of, s_rho, rho_rho)


def _of_pixels(model: SkyModel, t: Tables, index: Array, rows: Rows, tile: Array) -> Derivatives:
    v = vectors_of(model)
    columns, pairs = range(v.components), triangle(v.components)
    index = index[:, tile]
    vectors, basis = stacked(t, model, index), t.known(index)
    gram = _gram(basis, vectors, v.inner_pairs)
    c = partial(element, inverse_of(gram, v.components))
    # the residual keeps more digits than a difference of powers
    zero = jnp.zeros_like(rows.power[tile])
    chi_square, ss, s_rho_sum, rho_sum = zero, dict.fromkeys(pairs, zero), {}, {}
    for stokes in range(rows.data.shape[2]):
        d = rows.data[tile, :, stokes]
        y = [jnp.sum(vectors[a] * d, axis=0) for a in columns]
        s = [sum_of(c(a, b) * y[b] for b in columns) for a in columns]
        fitted = sum_of(vectors[a] * s[a] for a in columns)
        residual = d - fitted
        for known in basis:
            each = known if known.ndim == 2 else known[:, None]
            residual = residual + each * jnp.sum(each * fitted, axis=0)
        rho = _over_frequencies(lambda f, r=residual: vectors[v.components :, f] * r[f], len(d))
        chi_square += jnp.sum(residual**2, axis=0)
        ss = {(a, b): ss[a, b] + s[a] * s[b] for a, b in pairs}
        for k in range(v.components, len(vectors)):
            for a in columns:
                s_rho_sum[a, k] = s_rho_sum.get((a, k), zero) + s[a] * rho[k - v.components]
        for i, j in triangle(v.parameters):
            rho_sum[i, j] = rho_sum.get((i, j), zero) + rho[i] * rho[j]
    return _combine(
        v,
        chi_square,
        gram,
        c,
        partial(element, ss),
        lambda a, k: s_rho_sum[a, k],
        lambda i, j: rho_sum[i, j],
    )


def _combine(
    v: Vectors,
    chi_square: Array,
    gram: Symmetric,
    c: Product,
    ss: Product,
    s_rho: Product,
    rho_rho: Product,
) -> Derivatives:
    """The formulae at the head of this file, for one tile.

    Args:
        v: numbers of the vectors.
        chi_square: r^T r.
        gram: inner products of the vectors.
        c: (A^T A)^-1.
        ss: s s^T, summed over the data.
        s_rho: s times (vector k . r), from column and vector.
        rho_rho: (v_i . r)(v_j . r), from two parameters.
    """
    columns, parameters = range(v.components), range(v.parameters)
    gc = {
        (i, a): sum_of(gram[v.first[i], b] * c(b, a) for b in columns)
        for i in parameters
        for a in columns
    }
    gradient = [-2.0 * s_rho(v.column[i], v.first[i]) for i in parameters]
    hessian, gauss_newton = [], []
    for i, j in triangle(v.parameters):
        ci, cj, vi, vj = v.column[i], v.column[j], v.first[i], v.first[j]
        projected = gram[vi, vj]
        for a in columns:
            projected = projected - gc[i, a] * gram[vj, a]
        first = ss(ci, cj) * projected
        rest = s_rho(ci, vj) * gc[i, cj] + s_rho(cj, vi) * gc[j, ci] - c(ci, cj) * rho_rho(i, j)
        if (i, j) in v.second:
            rest -= s_rho(ci, v.second[i, j])
        gauss_newton.append(2.0 * first)
        hessian.append(2.0 * (first + rest))
    return Derivatives(chi_square, jnp.stack(gradient), jnp.stack(hessian), jnp.stack(gauss_newton))
