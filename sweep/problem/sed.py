"""Spectral energy distributions as tables: one row a cluster, one column a frequency.

The transcendental functions are evaluated per cluster; pixels only gather and multiply.
Units and normalisation are furax's: every component in uK_CMB, one at its reference frequency.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.problem.cells import Cells, group
from sweep.types import PARAMETERS, Labels, Params
from sweep.units import H_OVER_K_GHZ, rj_to_cmb

Table = Float[Array, "cluster frequency"]
Spectral = Float[Array, "parameter cluster"]
"""beta_dust, inverse temperature 1 / temp_dust (1/K), beta_pl; see `coordinates`."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpectralProblem:
    """What the likelihood needs beside the data and the parameters; see `create`.

    Attributes:
        frequency: band centres, GHz, shape (frequency,).
        inverse_sigma: inverse noise standard deviation a pixel, 1/uK_CMB, shape (frequency,).
        labels: for every parameter the cluster of each kept pixel, shape (pixel,).
        cells: the pixels grouped for the likelihood.
        dust_nu0: reference frequency of dust, GHz.
        synchrotron_nu0: reference frequency of synchrotron, GHz.
    """

    frequency: Float[Array, " frequency"]
    inverse_sigma: Float[Array, " frequency"]
    labels: dict[str, Labels]
    cells: Cells
    dust_nu0: float = field(metadata={"static": True})
    synchrotron_nu0: float = field(metadata={"static": True})

    @classmethod
    def create(
        cls,
        frequency: Float[Array, " frequency"],
        inverse_sigma: Float[Array, " frequency"],
        labels: dict[str, Labels],
        dust_nu0: float,
        synchrotron_nu0: float,
        form: str = "auto",
    ) -> "SpectralProblem":
        """Group the pixels into cells; `form` is `cells`, `pixels` or, by cost, `auto`."""
        cells = group([np.asarray(labels[p]) for p in PARAMETERS], form)
        return cls(frequency, inverse_sigma, labels, cells, dust_nu0, synchrotron_nu0)

    @property
    def n_pixels(self) -> int:
        """Number of kept pixels."""
        return self.labels["beta_dust"].shape[0]

    @property
    def counts(self) -> dict[str, int]:
        """Number of clusters of every parameter. Not for traced problems."""
        return {p: int(np.max(np.asarray(self.labels[p]))) + 1 for p in PARAMETERS}


class Tables(NamedTuple):
    """Columns of the whitened mixing matrix in factors, and their derivatives.

    Dust is `power` times `planck`. Derivatives of the Planck factor are for 1/T.

    Attributes:
        cmb: the CMB column, 1/uK_CMB, shape (frequency,).
        power: dust's nu^(1 + beta_dust), with the weights, 1/uK_CMB.
        planck, planck_1, planck_2: Planck ratio and its first two derivatives; 1, K, K^2.
        synchrotron: nu^beta_pl, with the weights, 1/uK_CMB.
        log_dust, log_synchrotron: ln(nu/nu0), which multiplies a column as its index grows.
    """

    cmb: Float[Array, " frequency"]
    power: Table
    planck: Table
    planck_1: Table
    planck_2: Table
    synchrotron: Table
    log_dust: Float[Array, " frequency"]
    log_synchrotron: Float[Array, " frequency"]


def tables(problem: SpectralProblem, spectral: Spectral) -> Tables:
    """Evaluate the columns for every cluster; rows beyond `Cells.lengths` have none."""
    nu, weight = problem.frequency, problem.inverse_sigma
    lengths = problem.cells.lengths
    beta_dust, inverse_temperature, beta_pl = (
        v[:n, None] for v, n in zip(spectral, lengths, strict=True)
    )
    rj = rj_to_cmb(nu, xp=jnp).astype(nu.dtype) * weight
    log_dust = jnp.log(nu / problem.dust_nu0)
    log_synchrotron = jnp.log(nu / problem.synchrotron_nu0)

    x, x0 = H_OVER_K_GHZ * nu, H_OVER_K_GHZ * problem.dust_nu0
    e, e0 = jnp.expm1(x * inverse_temperature), jnp.expm1(x0 * inverse_temperature)
    planck = e0 / e
    # derivatives of ln expm1(x c): s = x / (1 - e^-xc), then s (x - s)
    s, s0 = x + x / e, x0 + x0 / e0
    slope = s0 - s
    return Tables(
        cmb=weight,
        power=jnp.exp(log_dust * (1.0 + beta_dust)) * rj / float(rj_to_cmb(problem.dust_nu0)),
        planck=planck,
        planck_1=planck * slope,
        planck_2=planck * (slope**2 + s0 * (x0 - s0) - s * (x - s)),
        synchrotron=(
            jnp.exp(log_synchrotron * beta_pl) * rj / float(rj_to_cmb(problem.synchrotron_nu0))
        ),
        log_dust=log_dust,
        log_synchrotron=log_synchrotron,
    )


def coordinates(
    params: Params, length: int | None = None, xp: Any = jnp
) -> Float[Any, "parameter cluster"]:
    """Internal coordinates: all parameters on axes of one length, temperature as its inverse.

    Warm dust is a power law times a function that is nearly linear in 1/T: there a Newton
    step reaches the hot end of the box at once, in temperature it takes tens.

    Args:
        params: in their own units.
        length: of the axes; the longest by default.
        xp: jax.numpy, or numpy, which compiles nothing for a new length.
    """
    if length is None:
        length = max(v.shape[0] for v in params.values())
    rows = [params["beta_dust"], 1.0 / params["temp_dust"], params["beta_pl"]]
    padded = [xp.pad(v[:length], (0, max(0, length - v.shape[0])), mode="edge") for v in rows]
    return xp.stack(padded)


def mixing(params: Params, problem: SpectralProblem) -> tuple[Array, Array]:
    """Columns of dust and synchrotron at every pixel, uK_CMB per uK_CMB at the reference.

    The third column of the mixing matrix, the CMB's, is one. Shapes (frequency, pixel).
    """
    t = tables(problem, coordinates(params))
    labels = problem.labels
    dust = t.power[labels["beta_dust"]] * t.planck[labels["temp_dust"]]
    return (dust / t.cmb).T, (t.synchrotron[labels["beta_pl"]] / t.cmb).T
