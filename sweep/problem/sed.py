"""Spectral energy distributions as tables: one row a frequency, one column a cluster.

The transcendental functions are evaluated per cluster; pixels only gather and multiply.
Units and normalisation are furax's: every component in uK_CMB, one at its reference frequency.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweep.types import PARAMETERS, Labels, Params
from sweep.units import H_OVER_K_GHZ, rj_to_cmb

Table = Float[Array, "frequency cluster"]
Columns = Float[Array, "frequency pixel"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SpectralProblem:
    """What the likelihood needs beside the data and the parameters.

    Attributes:
        frequency: band centres, GHz, shape (frequency,).
        inverse_sigma: inverse noise standard deviation a pixel, 1/uK_CMB, shape (frequency,).
        labels: for every parameter the cluster of each kept pixel, shape (pixel,).
        dust_nu0: reference frequency of dust, GHz.
        synchrotron_nu0: reference frequency of synchrotron, GHz.
    """

    frequency: Float[Array, " frequency"]
    inverse_sigma: Float[Array, " frequency"]
    labels: dict[str, Labels]
    dust_nu0: float = field(metadata={"static": True})
    synchrotron_nu0: float = field(metadata={"static": True})

    @property
    def n_pixels(self) -> int:
        """Number of kept pixels."""
        return self.labels["beta_dust"].shape[0]

    @property
    def counts(self) -> dict[str, int]:
        """Number of clusters of every parameter. Not for traced problems."""
        return {p: int(np.max(np.asarray(self.labels[p]))) + 1 for p in PARAMETERS}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mixing:
    """Columns of the mixing matrix at every pixel, and logarithmic derivatives of their SEDs.

    Attributes:
        dust, synchrotron: shape (frequency, pixel), uK_CMB per uK_CMB at the reference.
        log_dust, log_synchrotron: d ln(column) / d beta, shape (frequency,).
        dust_temperature: d ln(dust) / d temp_dust, 1/K, shape (frequency, cluster).
    """

    dust: Columns
    synchrotron: Columns
    log_dust: Float[Array, " frequency"]
    log_synchrotron: Float[Array, " frequency"]
    dust_temperature: Table


def mixing(params: Params, problem: SpectralProblem) -> Mixing:
    """Evaluate the mixing matrix A of `params`; its first column, the CMB, is one everywhere."""
    nu, nu_d, nu_s = problem.frequency, problem.dust_nu0, problem.synchrotron_nu0
    rj = rj_to_cmb(nu, xp=jnp).astype(nu.dtype)
    log_dust = jnp.log(nu / nu_d)
    log_synchrotron = jnp.log(nu / nu_s)

    x, x0 = H_OVER_K_GHZ * nu[:, None], H_OVER_K_GHZ * nu_d
    temperature = params["temp_dust"][None, :]
    planck = jnp.expm1(x0 / temperature) / jnp.expm1(x / temperature)
    dust_power = jnp.exp(log_dust[:, None] * (1.0 + params["beta_dust"][None, :]))
    synchrotron_power = jnp.exp(log_synchrotron[:, None] * params["beta_pl"][None, :])

    dust_power = dust_power * (rj / float(rj_to_cmb(nu_d)))[:, None]
    synchrotron_power = synchrotron_power * (rj / float(rj_to_cmb(nu_s)))[:, None]
    labels = problem.labels
    return Mixing(
        dust=dust_power[:, labels["beta_dust"]] * planck[:, labels["temp_dust"]],
        synchrotron=synchrotron_power[:, labels["beta_pl"]],
        log_dust=log_dust,
        log_synchrotron=log_synchrotron,
        # e^y / (e^y - 1) = -1 / expm1(-y), which does not overflow for cold dust
        dust_temperature=(x0 / jnp.expm1(-x0 / temperature) - x / jnp.expm1(-x / temperature))
        / temperature**2,
    )
