"""Spectral energy distributions as tables: one row a cluster, one column a frequency.

The transcendental functions are evaluated per cluster; pixels only gather and multiply.
Units and normalisation are furax's: every component in uK_CMB, one at its reference frequency.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import mul
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sweep.bands import BandNodes
from sweep.model import Curved, Exponential, FactorTable, SkyModel
from sweep.problem.cells import Cells, group
from sweep.problem.weights import PixelWeights
from sweep.types import Labels, Params
from sweep.units import rj_to_cmb

Spectral = Float[Array, "parameter cluster"]
"""In internal coordinates, in the order of the model; see `coordinates`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpectralProblem:
    """What the likelihood needs beside the data and the parameters; see `create`.

    Attributes:
        frequency: band centres, GHz, shape (frequency,).
        inverse_sigma: inverse noise standard deviation a pixel, 1/uK_CMB, shape (frequency,).
        labels: for every parameter the cluster of each kept pixel, shape (pixel,).
        cells: the pixels grouped for the likelihood.
        model: the components, and their parameters.
        bands: nodes that integrate spectra over bands of finite width; None where all are
            monochromatic.
        weights: how the noise of pixels differs; None where it does not.
    """

    frequency: Float[Array, " frequency"]
    inverse_sigma: Float[Array, " frequency"]
    labels: dict[str, Labels]
    cells: Cells
    model: SkyModel = field(metadata={"static": True})
    bands: BandNodes | None = None
    weights: PixelWeights | None = None

    @classmethod
    def create(
        cls,
        frequency: Float[Array, " frequency"],
        inverse_sigma: Float[Array, " frequency"],
        labels: dict[str, Labels],
        model: SkyModel,
        form: str = "auto",
        bands: BandNodes | None = None,
        weights: PixelWeights | None = None,
    ) -> "SpectralProblem":
        """Group the pixels into cells; `form` is `cells`, `pixels` or, by cost, `auto`."""
        label = None if weights is None else weights.label
        classes = None if label is None else np.asarray(label)
        cells = group([np.asarray(labels[p]) for p in model.names], form, classes)
        return cls(frequency, inverse_sigma, labels, cells, model, bands, weights)

    @property
    def n_pixels(self) -> int:
        """Number of kept pixels."""
        return self.labels[self.model.names[0]].shape[0]

    @property
    def index_of_pixels(self) -> Int[Array, "_ pixel"]:
        """For every pixel what `Cells.index` has of rows."""
        label = None if self.weights is None else self.weights.label
        every = [self.labels[p] for p in self.model.names]
        return jnp.stack(every if label is None else [*every, label])

    @property
    def counts(self) -> dict[str, int]:
        """Number of clusters of every parameter. Not for traced problems."""
        return {p: int(np.max(np.asarray(self.labels[p]))) + 1 for p in self.model.names}


class Tables(NamedTuple):
    """Columns of the whitened mixing matrix in factors, and their derivatives.

    An `index` is what `Cells.index` has of some rows, with the class behind: shape (_, row).

    Attributes:
        fixed: columns of the components of a known spectrum, 1/uK_CMB.
        basis: an orthonormal basis of these, shape (column, frequency), of every class where
            pixels have classes.
        factors: one a parameter, at all nodes of all bands, node by node; the first of a component
            carries the weights, 1/uK_CMB.
        classes: what multiplies the weights in every class; None where there are no classes.
    """

    fixed: Float[Array, "column frequency"]
    basis: Float[Array, "*class column frequency"]
    factors: tuple[FactorTable, ...]
    classes: Float[Array, "class frequency"] | None

    @property
    def nodes(self) -> int:
        """Of a band; a column is the sum over them."""
        return self.factors[0].value.shape[1] // self.fixed.shape[1]

    def columns(self, model: SkyModel, index: Any) -> list[Array]:
        """The fitted columns, shape (frequency, row) each.

        Args:
            model: whose tables they are.
            index: cluster of every parameter, shape (parameter, row).
        """
        return [self.over_band(column) for column in self.at_nodes(model, index)]

    def at_nodes(self, model: SkyModel, index: Any) -> list[Array]:
        """What `columns` adds up, shape (node x frequency, row) each."""
        count = len(model.components)
        return [reduce(mul, self.factors_of(model, c, index)) for c in range(count)]

    def factors_of(
        self, model: SkyModel, component: int, index: Any, without: Sequence[int] = ()
    ) -> list[Array]:
        """Whose product is one of `at_nodes`, of its shape, but those of some parameters."""
        members = (i for i in model.members(component) if i not in without)
        weights = (jnp.tile(w, (self.nodes, 1)) for w in self.weight(index))
        return [*(self.factors[i].value[index[i]].T for i in members), *weights]

    def weight(self, index: Any) -> list[Array]:
        """What multiplies every column, shape (frequency, row); nothing without classes."""
        return [] if self.classes is None else [self.classes[index[-1]].T]

    def known(self, index: Any) -> list[Array]:
        """The basis, shape (frequency,) each, or with classes (frequency, row)."""
        return known_of(self.basis, None if self.classes is None else index[-1])

    def over_band(self, values: Array, axis: int = 0) -> Array:
        """Sum over the nodes of every band, along an axis (node x frequency)."""
        if self.nodes == 1:
            return values
        shape = (*values.shape[:axis], self.nodes, -1, *values.shape[axis + 1 :])
        return jnp.sum(values.reshape(shape), axis=axis)


def fixed_columns(problem: SpectralProblem) -> Float[Array, "column frequency"]:
    """Whitened columns of the components of a known spectrum."""
    weight, fixed = problem.inverse_sigma, problem.model.fixed
    if problem.bands is None:
        columns = [c.spectrum(problem.frequency).astype(weight.dtype) for c in fixed]
    else:
        nodes = problem.bands.fixed
        columns = [
            jnp.sum(nodes.weight * c.spectrum(nodes.frequency), axis=0).astype(weight.dtype)
            for c in fixed
        ]
    return jnp.stack([weight * column for column in columns])


def orthonormal(columns: Float[Array, "column frequency"]) -> Float[Array, "column frequency"]:
    """Basis of what the columns span, by Gram and Schmidt; twice, since moments are much alike."""
    basis: list[Array] = []
    for column in columns:
        for known in 2 * basis:
            column = column - known * jnp.vdot(known, column)
        basis.append(column / jnp.linalg.norm(column))
    return jnp.stack(basis)


def basis_of(fixed: Float[Array, "column frequency"], classes: Array | None) -> Array:
    """Basis of the columns of a known spectrum, of every class where there are classes."""
    return (
        orthonormal(fixed) if classes is None else jax.vmap(orthonormal)(classes[:, None] * fixed)
    )


def known_of(basis: Float[Array, "*class column frequency"], label: Array | None) -> list[Array]:
    """The vectors of a basis, shape (frequency,), or with classes (frequency, label)."""
    return list(basis if label is None else jnp.moveaxis(basis[label], 0, -1))


def tables(problem: SpectralProblem, spectral: Spectral) -> Tables:
    """Evaluate the columns for every cluster; rows beyond `Cells.lengths` have none."""
    nu, weight, model = problem.frequency, problem.inverse_sigma, problem.model
    if problem.bands is None:
        rj = rj_to_cmb(nu, xp=jnp).astype(nu.dtype) * weight
    else:
        fitted = problem.bands.fitted
        nu = fitted.frequency.reshape(-1)
        rj = (fitted.weight * weight).reshape(-1)
    factors: list[FactorTable] = []
    for component in model.components:
        for k, factor in enumerate(component.factors):
            i = len(factors)
            table = factor.table(nu, component.nu0, spectral[i, : problem.cells.lengths[i]])
            factors.append(
                _weighted(table, rj, float(rj_to_cmb(component.nu0))) if k == 0 else table
            )
    fixed = fixed_columns(problem)
    classes = None if problem.weights is None else problem.weights.bands
    return Tables(fixed, basis_of(fixed, classes), tuple(factors), classes)


def _weighted(table: FactorTable, weight: Array, at_reference: float) -> FactorTable:
    def times(values: Array) -> Array:
        return values * weight / at_reference

    if isinstance(table, Exponential):
        return table._replace(value=times(table.value))
    return Curved(*map(times, table))


def coordinates(
    params: Params, model: SkyModel, length: int | None = None, xp: Any = jnp
) -> Float[Any, "parameter cluster"]:
    """Internal coordinates of all parameters, on axes of one length.

    Args:
        params: in their own units.
        model: whose parameters they are.
        length: of the axes; the longest by default.
        xp: jax.numpy, or numpy, which compiles nothing for a new length.
    """
    if length is None:
        length = max(v.shape[0] for v in params.values())
    rows = [p.coordinate.internal(params[p.name]) for p in model.parameters]
    padded = [xp.pad(v[:length], (0, max(0, length - v.shape[0])), mode="edge") for v in rows]
    return xp.stack(padded)


def mixing(params: Params, problem: SpectralProblem) -> tuple[Array, ...]:
    """Columns of the fitted components at every pixel, uK_CMB per uK_CMB at the reference.

    Shape (frequency, pixel) each, in the order of the model.
    """
    t = tables(replace(problem, weights=None), coordinates(params, problem.model))
    labels = [problem.labels[p] for p in problem.model.names]
    weight = problem.inverse_sigma[:, None]
    return tuple(column / weight for column in t.columns(problem.model, labels))
