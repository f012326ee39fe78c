"""Which fitted spectra are believable: fits in which components swapped roles are not.

A fit may be at a minimum, scanned, and far from the sky: where the box allows it, synchrotron takes
the place of some of the dust and the reverse. Clusters of low signal end anywhere in their box,
which is ordinary. So what counts is how far a cluster is from where it could be in units of its own
standard deviation, and over how much of the sky.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweep.problem.likelihood import NLL_TO_COVARIANCE

CERTAIN = 5.0
"""Standard deviations by which a cluster is surely outside, or pushes against its box."""

IMPLAUSIBLE_SHARE = 0.02
"""A parameter is suspect with more than this share of the pixels surely implausible."""

STUCK_SHARE = 0.5
"""Or with more than this share stuck at the same end of its box."""


class Cluster(NamedTuple):
    """Clusters of one parameter at a solution, shape (cluster,) each.

    Attributes:
        value: in the parameter's own unit.
        slope, curvature: derivatives of what was minimised.
        low, high: the box.
    """

    value: Float[Array, " cluster"]
    slope: Float[Array, " cluster"]
    curvature: Float[Array, " cluster"]
    low: Float[Array, " cluster"]
    high: Float[Array, " cluster"]


def is_suspect(
    plausible: tuple[float, float], at: Cluster, labels: Int[Array, " pixel"]
) -> Bool[Array, ""]:
    """Whether a parameter is implausible over part of the sky, or stuck over most of it.

    Args:
        plausible: ends of what the spectrum of a cluster may be, in the parameter's own unit.
        at: its clusters.
        labels: cluster of every kept pixel.
    """

    def share(clusters: Bool[Array, " cluster"]) -> Array:
        return jnp.mean(clusters[labels])

    lowest, highest = plausible
    variance = NLL_TO_COVARIANCE / jnp.maximum(at.curvature, 1e-300)
    outside = jnp.maximum(jnp.maximum(lowest - at.value, at.value - highest), 0.0)
    implausible = outside**2 > CERTAIN**2 * variance
    # a parabola's minimum lies slope / curvature beyond the end
    pushes = at.slope**2 > CERTAIN**2 * NLL_TO_COVARIANCE * jnp.abs(at.curvature)
    stuck_low = (at.value <= at.low) & (at.slope > 0.0) & pushes
    stuck_high = (at.value >= at.high) & (at.slope < 0.0) & pushes
    stuck = jnp.maximum(share(stuck_low), share(stuck_high))
    return (share(implausible) > IMPLAUSIBLE_SHARE) | (stuck > STUCK_SHARE)
