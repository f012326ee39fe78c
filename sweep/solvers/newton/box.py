"""Boxes, starts and solutions in internal coordinates, as where a temperature enters as 1/T.

Every array has shape (parameter, cluster), padded to the longest axis; see
`sweep.problem.sed.coordinates`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.model import SkyModel
from sweep.problem.prior import Penalty
from sweep.problem.sed import Spectral, SpectralProblem, coordinates
from sweep.solvers.base import Bounds
from sweep.types import BlockParams, Params


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


def internal_box(bounds: Bounds, problem: SpectralProblem) -> Box:
    """The box in internal coordinates, on axes as long as the longest table.

    The low end is that of the coordinate: of an inverse temperature the warm one.
    """
    model, length = problem.model, max(problem.cells.lengths)
    ends = [_internal(bounds.whole(part), model, length) for part in (bounds.low, bounds.high)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    return Box(jnp.asarray(low), jnp.asarray(high), _penalty(bounds, model, length))


def internal_starts(
    bounds: Bounds, starts: BlockParams, model: SkyModel, box: Box
) -> Float[Array, "realisation parameter cluster"]:
    """Starts in internal coordinates, exactly inside the box."""
    count, length = len(next(iter(starts.values()))), box.low.shape[1]
    inner = [
        _internal(bounds.whole({p: v[i] for p, v in starts.items()}), model, length)
        for i in range(count)
    ]
    return jnp.asarray(np.clip(np.stack(inner), box.low, box.high))


def own_parameters(
    x: Float[Any, "realisation parameter cluster"], bounds: Bounds, model: SkyModel, box: Box
) -> BlockParams:
    """Free parameters in their own units, exactly at the ends of their box where they are held."""
    low, high = np.asarray(box.low), np.asarray(box.high)
    found = {}
    for i, p in enumerate(model.parameters):
        if p.name not in bounds.start:
            continue
        # axes padded beyond the rows have no clusters there
        n = min(bounds.start[p.name].shape[0], low.shape[1])
        coordinate, values = p.coordinate, np.asarray(x)[:, i, :n]
        ends = np.asarray(bounds.low[p.name])[:n], np.asarray(bounds.high[p.name])[:n]
        rises = coordinate.internal(ends[0]) <= coordinate.internal(ends[1])
        at_low, at_high = np.where(rises, ends, ends[::-1])
        found[p.name] = np.where(
            values <= low[i, :n],
            at_low,
            np.where(values >= high[i, :n], at_high, coordinate.own(values)),
        )
    return found


def _internal(params: Params, model: SkyModel, length: int) -> np.ndarray:
    return np.asarray(coordinates(jax.tree.map(np.asarray, params), model, length, np))


def _penalty(bounds: Bounds, model: SkyModel, length: int) -> Penalty | None:
    if bounds.prior is None:
        return None

    def stacked(values: Params) -> Array:
        rows = np.zeros((len(model.names), length))
        for i, p in enumerate(model.names):
            own = np.asarray(values.get(p, np.zeros(0)))[:length]
            rows[i, : own.size] = own
        return jnp.asarray(rows)

    mean, precision = bounds.prior
    return Penalty(stacked(mean), stacked(precision), model)
