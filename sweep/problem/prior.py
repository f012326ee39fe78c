"""Gaussian priors of spectral parameters, one a cluster, in the parameter's own unit.

chi_square and nll are -2 ln L up to constants, so a prior of a mean m and a width w adds
((x - m) / w)^2 to them: the penalty. `nll` never holds it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from sweep.model import SkyModel
from sweep.problem.sed import Spectral
from sweep.types import Params


class Prior(NamedTuple):
    """Priors of some of the parameters.

    Attributes:
        mean: where the penalty is 0, in the parameter's own unit, shape (cluster,) each.
        precision: 1 / width^2, of the same shapes; 0 is no prior, as of clusters without pixels.
    """

    mean: Params
    precision: Params


def penalty(prior: Prior | None, params: Params) -> Scalar:
    """Sum of the penalties of `params`, in units of nll; those without a prior add nothing."""
    if prior is None:
        return jnp.zeros(())
    terms = [
        jnp.sum(prior.precision[p] * (params[p] - prior.mean[p]) ** 2)
        for p in prior.mean
        if p in params
    ]
    return sum(terms, start=jnp.zeros(()))


def curvature(prior: Prior | None, p: str) -> Array | float:
    """Second derivative of the penalty along the clusters of a parameter."""
    return 0.0 if prior is None or p not in prior.precision else 2.0 * prior.precision[p]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Penalty:
    """Penalties of clusters in the internal coordinates, see `sweep.problem.sed.coordinates`.

    All arrays have shape (parameter, cluster).

    Attributes:
        mean: in the parameters' own units.
        precision: 1 / width^2.
        model: whose parameters they are.
    """

    mean: Float[Array, "parameter cluster"]
    precision: Float[Array, "parameter cluster"]
    model: SkyModel = field(metadata={"static": True})

    def rise(self, x: Spectral, to: Spectral) -> Array:
        """Penalty at `to` less that at `x`, cluster by cluster."""
        here, there = self._own(x), self._own(to)
        return self.precision * (there - here) * (there + here - 2.0 * self.mean)

    def derivatives(self, x: Spectral) -> tuple[Array, Array, Array]:
        """Gradient, curvature and, never negative, the curvature of Gauss and Newton."""
        own = self._own(x)
        gap = own - self.mean
        per_parameter = [
            p.coordinate.own_derivatives(row)
            for p, row in zip(self.model.parameters, own, strict=True)
        ]
        slope, bend = (
            jnp.stack([jnp.broadcast_to(d, x.shape[1:]).astype(x.dtype) for d in order])
            for order in zip(*per_parameter, strict=True)
        )
        gauss_newton = 2.0 * self.precision * slope**2
        curvature = gauss_newton + 2.0 * self.precision * gap * bend
        return 2.0 * self.precision * gap * slope, curvature, gauss_newton

    def _own(self, x: Spectral) -> Spectral:
        rows = zip(self.model.parameters, x, strict=True)
        return jnp.stack([p.coordinate.own(row) for p, row in rows])
