"""Boxes, starts and solutions in internal coordinates, where the temperature enters as 1/T.

Every array has shape (parameter, cluster), padded to the longest axis; see
`sweep.problem.sed.coordinates`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.problem.prior import Penalty
from sweep.problem.sed import Spectral, coordinates
from sweep.solvers.base import Bounds
from sweep.types import PARAMETERS, BlockParams, Params


class Box(NamedTuple):
    """Where parameters may go, and what is known of them before the data.

    Attributes:
        low, high: ends of the box in internal coordinates, shape (parameter, cluster); a parameter
            whose ends are the same is fixed.
        penalty: of the priors; None where there is none.
    """

    low: Spectral
    high: Spectral
    penalty: Penalty | None = None

    @property
    def least(self) -> Spectral:
        """Curvature of a parameter whose standard deviation is the width of its box."""
        width = self.high - self.low
        return 1.0 / jnp.square(jnp.where(width > 0.0, width, 1.0))

    def rise(self, x: Spectral, to: Spectral) -> Spectral:
        """Penalty at `to` less that at `x`, cluster by cluster."""
        return jnp.zeros_like(x) if self.penalty is None else self.penalty.rise(x, to)


def internal_box(bounds: Bounds, length: int) -> Box:
    """The box in internal coordinates, where the warm end of the temperature is the low one."""
    ends = [_internal(bounds.whole(part), length) for part in (bounds.low, bounds.high)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    return Box(jnp.asarray(low), jnp.asarray(high), _penalty(bounds, length))


def internal_starts(
    bounds: Bounds, starts: BlockParams, box: Box
) -> Float[Array, "realisation parameter cluster"]:
    """Starts in internal coordinates, exactly inside the box."""
    count, length = len(next(iter(starts.values()))), box.low.shape[1]
    inner = [
        _internal(bounds.whole({p: v[i] for p, v in starts.items()}), length) for i in range(count)
    ]
    return jnp.asarray(np.clip(np.stack(inner), box.low, box.high))


def own_parameters(
    x: Float[Any, "realisation parameter cluster"], bounds: Bounds, box: Box
) -> BlockParams:
    """Free parameters in their own units, exactly at the ends of their box where they are held."""
    low, high = np.asarray(box.low), np.asarray(box.high)
    beta_dust, inverse_temperature, beta_pl = np.moveaxis(np.asarray(x), 1, 0)
    counts = {p: v.shape[0] for p, v in bounds.whole(bounds.start).items()}
    lowest, highest = bounds.whole(bounds.low), bounds.whole(bounds.high)
    warm, cold = inverse_temperature <= low[1], inverse_temperature >= high[1]
    n = min(counts["temp_dust"], x.shape[2])  # axes padded beyond the rows have no clusters there
    temperature = np.where(
        warm[:, :n],
        highest["temp_dust"][:n],
        np.where(cold[:, :n], lowest["temp_dust"][:n], 1.0 / inverse_temperature[:, :n]),
    )
    params: dict[str, Any] = {
        "beta_dust": beta_dust[:, : counts["beta_dust"]],
        "temp_dust": temperature,
        "beta_pl": beta_pl[:, : counts["beta_pl"]],
    }
    return {p: params[p] for p in bounds.start}


def _internal(params: Params, length: int) -> np.ndarray:
    return np.asarray(coordinates(jax.tree.map(np.asarray, params), length, np))


def _penalty(bounds: Bounds, length: int) -> Penalty | None:
    if bounds.prior is None:
        return None

    def stacked(values: Params) -> Array:
        rows = np.zeros((len(PARAMETERS), length))
        for i, p in enumerate(PARAMETERS):
            own = np.asarray(values.get(p, np.zeros(0)))[:length]
            rows[i, : own.size] = own
        return jnp.asarray(rows)

    return Penalty(*map(stacked, bounds.prior))
