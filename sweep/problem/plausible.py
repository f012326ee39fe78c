"""Which fitted spectra are believable: fits in which components swapped roles are not.

A fit may be at a minimum, certified and far from the sky: where the box allows it, synchrotron
takes the place of some of the dust and the reverse. Single clusters say little, since those of low
signal end anywhere in their box; what the data say of a parameter as a whole is its mean over the
clusters with the curvature of the likelihood as weight.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

PLAUSIBLE: dict[str, tuple[float, float]] = {
    "beta_dust": (1.2, 1.9),
    "temp_dust": (12.0, 32.0),
    "beta_pl": (-3.6, -2.4),
}
"""Ends of what the mean of a parameter over a large part of the sky may be; temp_dust in K.

Planck 2018 XI (arXiv:1801.04945): beta_dust 1.53 +- 0.02 in polarisation, with scatter below 0.1;
Planck 2013 XI (arXiv:1312.1300): temp_dust 15 to 27 K, beta_dust 1.62 +- 0.10; S-PASS
(arXiv:1802.01145) and QUIJOTE (arXiv:2301.05113): beta_pl -3.22 +- 0.08 and -3.08 +- 0.13, single
regions from -3.6 to -2.6. The ends lie well outside of these.
"""

EDGE = 0.05
"""A mean that is nearer to an end of its box than this share of the width is stuck there."""


def is_suspect(
    p: str,
    values: Float[Array, " cluster"],
    curvature: Float[Array, " cluster"],
    low: Float[Array, " cluster"],
    high: Float[Array, " cluster"],
) -> Bool[Array, ""]:
    """Whether the weighted mean of a parameter is implausible, or stuck at an end of its box.

    Args:
        p: the parameter.
        values: of the clusters, in the parameter's own unit.
        curvature: of the likelihood along each of them; 0 for clusters without pixels.
        low: lower end of the box.
        high: upper end of the box.
    """
    weight = jnp.maximum(curvature, 0.0)
    known = jnp.sum(weight)
    mean = jnp.sum(weight * values) / jnp.where(known > 0.0, known, 1.0)
    margin = EDGE * (high[0] - low[0])
    lowest = jnp.maximum(PLAUSIBLE[p][0], low[0] + margin)
    highest = jnp.minimum(PLAUSIBLE[p][1], high[0] - margin)
    return (known > 0.0) & ((mean < lowest) | (mean > highest))
