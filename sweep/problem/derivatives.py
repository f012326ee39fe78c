r"""Value, gradient and Hessian of chi_square, row by row.

A row (a cell, or a pixel) has whitened data d without the CMB's part and the columns A = [u, w] of
dust and synchrotron. With s = (A^T A)^-1 A^T d and the residual r = d - A s (variable projection,
Golub and Pereyra 1973), chi_square = r^T r, and for a parameter i of column c with dA/di = v_i

    gradient_i = -2 s_c (v_i . r)
    hessian_ij = 2 [ s_c s_c' v_i P v_j - s_c (v_ij . r) + s_c (v_j . r) (G_i C)_c'
                     + s_c' (v_i . r) (G_j C)_c - C_cc' (v_i . r) (v_j . r) ]

where C = (A^T A)^-1, G_i = v_i^T A, P projects out A and the CMB column, and products of data are
summed over Stokes parameters and the pixels of the row. The first term alone is the Gauss-Newton
matrix, which is never indefinite.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sweep.problem.cells import Rows
from sweep.problem.sed import Spectral, SpectralProblem, Tables, tables

TRIANGLE = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2))
"""Pairs of parameters, in the order in which Hessians are held."""

DIAGONAL = np.array([TRIANGLE.index((i, i)) for i in range(3)])
"""Where in it each parameter is with itself."""

_U, _W = 0, 1
_FIRST = (2, 3, 4)
_SECOND = {(0, 0): 5, (1, 0): 6, (1, 1): 7, (2, 2): 8}
_COLUMN = (_U, _U, _W)
"""Of the nine vectors u, w, u_b, u_c, w_s, u_bb, u_bc, u_cc, w_ss: those of each parameter."""

_PAIRS = (
    *((k, c) for k in range(9) for c in (_U, _W) if c <= k),
    *((_FIRST[i], _FIRST[j]) for i, j in TRIANGLE),
)

_TERMS = 3
"""Frequencies that a turn of a loop adds up; on a CPU more or less are slower."""

Product = Callable[[int, int], Array]


class Derivatives(NamedTuple):
    """Per row; the parameters are those of `sweep.problem.sed.coordinates`.

    Attributes:
        chi_square: shape (row,).
        gradient: shape (parameter, row).
        hessian, gauss_newton: in the order of `TRIANGLE`, shape (pair, row).
    """

    chi_square: Float[Array, " row"]
    gradient: Float[Array, "parameter row"]
    hessian: Float[Array, "pair row"]
    gauss_newton: Float[Array, "pair row"]


def derivatives(problem: SpectralProblem, rows: Rows, spectral: Spectral) -> Derivatives:
    """Evaluate the rows of one realisation."""
    t = tables(problem, spectral)
    of_tile = _of_cells if problem.cells.form == "cells" else _of_pixels
    return problem.cells.over_tiles(partial(of_tile, t, problem.cells.index, rows))


def row_values(problem: SpectralProblem, rows: Rows, spectral: Spectral) -> Float[Array, " row"]:
    """Evaluate `chi_square` only."""
    t = tables(problem, spectral)

    def of_tile(tile: Array) -> Array:
        index, power = problem.cells.index[:, tile], rows.power[tile]
        u, w = t.power[index[0]].T * t.planck[index[1]].T, t.synchrotron[index[2]].T
        columns = jnp.stack([u, w])
        gram = _gram(t, columns)
        if problem.cells.form == "cells":
            m = _inner(columns, products(rows.data, tile, columns))
        else:
            y = jnp.einsum("kfr,fsr->ksr", columns, rows.data[tile])
            m = {(k, c): jnp.sum(y[k] * y[c], axis=0) for k, c in ((0, 0), (1, 0), (1, 1))}
        c = _inverse(gram)
        return power - c[0] * m[0, 0] - 2 * c[1] * m[1, 0] - c[2] * m[1, 1]

    return problem.cells.over_tiles(of_tile)


def _vectors(t: Tables, index: Array) -> Array:
    """The nine vectors, shape (vector, frequency, row)."""
    power, planck = t.power[index[0]].T, t.planck[index[1]].T
    log_dust, log_synchrotron = t.log_dust[:, None], t.log_synchrotron[:, None]
    u, w = power * planck, t.synchrotron[index[2]].T
    u_c = power * t.planck_1[index[1]].T
    u_b, w_s = log_dust * u, log_synchrotron * w
    u_cc = power * t.planck_2[index[1]].T
    second = (log_dust * u_b, log_dust * u_c, u_cc, log_synchrotron * w_s)
    # without the barrier each use evaluates them anew
    return jax.lax.optimization_barrier(jnp.stack([u, w, u_b, u_c, w_s, *second]))


def _gram(t: Tables, vectors: Array) -> dict[tuple[int, int], Array]:
    """Inner products without the CMB's part."""
    cmb = t.cmb / jnp.linalg.norm(t.cmb)
    along = _over_frequencies(lambda f: cmb[f] * vectors[:, f], vectors.shape[1])
    inner = _inner(vectors, vectors)
    return {(k, c): product - along[k] * along[c] for (k, c), product in inner.items()}


def _inner(left: Array, right: Array) -> dict[tuple[int, int], Array]:
    """Inner products of the pairs of vectors that are needed, of those that there are."""
    pairs = [(k, c) for k, c in _PAIRS if k < len(left) and c < len(right)]
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


def _inverse(gram: dict[tuple[int, int], Array]) -> tuple[Array, Array, Array]:
    """(A^T A)^-1 as its elements uu, uw, ww."""
    uu, uw, ww = gram[0, 0], gram[1, 0], gram[1, 1]
    determinant = uu * ww - uw**2
    return ww / determinant, -uw / determinant, uu / determinant


def _of_cells(t: Tables, index: Array, rows: Rows, tile: Array) -> Derivatives:
    vectors = _vectors(t, index[:, tile])
    seen = products(rows.data, tile, vectors[:5])
    of_data = _inner(vectors, seen)

    def m(k: int, c: int) -> Array:
        return of_data[max(k, c), min(k, c)]

    gram = _gram(t, vectors)
    c = _symmetric(_inverse(gram))
    ss = {
        (a, b): _sum(c(a, i) * m(i, j) * c(j, b) for i in (_U, _W) for j in (_U, _W))
        for a, b in ((0, 0), (1, 0), (1, 1))
    }
    ss_of = _symmetric((ss[0, 0], ss[1, 0], ss[1, 1]))

    def s_rho(a: int, k: int) -> Array:
        return _sum(c(a, i) * m(k, i) - ss_of(a, i) * gram[k, i] for i in (_U, _W))

    def rho_rho(i: int, j: int) -> Array:
        k, n = _FIRST[i], _FIRST[j]
        # rho_k . d_n - (G_n s) . rho_k
        with_data = m(k, n) - _sum(
            gram[k, a] * c(a, b) * m(n, b) for a in (_U, _W) for b in (_U, _W)
        )
        return with_data - _sum(gram[n, a] * s_rho(a, k) for a in (_U, _W))

    chi_square = rows.power[tile] - _sum(c(a, b) * m(a, b) for a in (_U, _W) for b in (_U, _W))
    return _combine(chi_square, gram, c, ss_of, s_rho, rho_rho)


def _of_pixels(t: Tables, index: Array, rows: Rows, tile: Array) -> Derivatives:
    vectors = _vectors(t, index[:, tile])
    u, w = vectors[:2]
    gram = _gram(t, vectors)
    c = _symmetric(_inverse(gram))
    cmb = (t.cmb / jnp.linalg.norm(t.cmb))[:, None]
    # the residual keeps more digits than a difference of powers
    zero = jnp.zeros_like(rows.power[tile])
    chi_square, ss, s_rho_sum, rho_sum = zero, [zero] * 3, {}, {}
    for d in (rows.data[tile, :, 0], rows.data[tile, :, 1]):
        y = [jnp.sum(v * d, axis=0) for v in (u, w)]
        s = [c(a, _U) * y[_U] + c(a, _W) * y[_W] for a in (_U, _W)]
        model = u * s[_U] + w * s[_W]
        residual = d - model + cmb * jnp.sum(cmb * model, axis=0)
        rho = _over_frequencies(lambda f, r=residual: vectors[2:, f] * r[f], len(d))
        chi_square += jnp.sum(residual**2, axis=0)
        ss = [ss[0] + s[0] * s[0], ss[1] + s[1] * s[0], ss[2] + s[1] * s[1]]
        for k in range(2, 9):
            for a in (_U, _W):
                s_rho_sum[a, k] = s_rho_sum.get((a, k), zero) + s[a] * rho[k - 2]
        for i, j in TRIANGLE:
            rho_sum[i, j] = rho_sum.get((i, j), zero) + rho[i] * rho[j]
    return _combine(
        chi_square,
        gram,
        c,
        _symmetric((ss[0], ss[1], ss[2])),
        lambda a, k: s_rho_sum[a, k],
        lambda i, j: rho_sum[i, j],
    )


def _sum(terms: Iterable[Array]) -> Array:
    return reduce(add, terms)


def _symmetric(elements: tuple[Array, Array, Array]) -> Product:
    return lambda a, b: elements[a + b]


def _combine(
    chi_square: Array,
    gram: dict[tuple[int, int], Array],
    c: Product,
    ss: Product,
    s_rho: Product,
    rho_rho: Product,
) -> Derivatives:
    """The formulae at the head of this file, for one tile.

    Args:
        chi_square: r^T r.
        gram: inner products of the vectors.
        c: (A^T A)^-1.
        ss: s s^T, summed over the data.
        s_rho: s times (vector k . r), from column and vector.
        rho_rho: (v_i . r)(v_j . r), from two parameters.
    """
    gc = {
        (i, a): gram[_FIRST[i], _U] * c(_U, a) + gram[_FIRST[i], _W] * c(_W, a)
        for i in range(3)
        for a in (_U, _W)
    }
    gradient = [-2.0 * s_rho(_COLUMN[i], _FIRST[i]) for i in range(3)]
    hessian, gauss_newton = [], []
    for i, j in TRIANGLE:
        ci, cj, vi, vj = _COLUMN[i], _COLUMN[j], _FIRST[i], _FIRST[j]
        projected = gram[vi, vj] - gc[i, _U] * gram[vj, _U] - gc[i, _W] * gram[vj, _W]
        first = ss(ci, cj) * projected
        rest = s_rho(ci, vj) * gc[i, cj] + s_rho(cj, vi) * gc[j, ci] - c(ci, cj) * rho_rho(i, j)
        if (i, j) in _SECOND:
            rest -= s_rho(ci, _SECOND[i, j])
        gauss_newton.append(2.0 * first)
        hessian.append(2.0 * (first + rest))
    return Derivatives(chi_square, jnp.stack(gradient), jnp.stack(hessian), jnp.stack(gauss_newton))
