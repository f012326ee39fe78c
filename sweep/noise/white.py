"""White noise, addressed by seed and realisation.

A draw covers the whole sphere before any mask, so that it is the same for every mask,
block, worker and order of work.
"""

from functools import partial

import healpy as hp
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweep import draws
from sweep.errors import ConfigError
from sweep.types import FrequencyMaps


@partial(jax.jit, static_argnames="nside")
def white_noise(
    seed: int | Int[Array, ""],
    realisation: int | Int[Array, ""],
    sigma: Float[Array, " frequency"],
    nside: int,
) -> FrequencyMaps:
    """Draw the noise of one realisation on the whole sphere.

    normal(fold_in(key(seed), realisation)) times sigma. Can be jitted, and vmapped over
    `realisation`. No setting of JAX changes the numbers.

    Args:
        seed: Of all realisations.
        realisation: Number of the realisation, at least 0.
        sigma: Standard deviation per pixel in uK_CMB (F,), as `Instrument.noise_sigma`.
        nside: HEALPix resolution.

    Returns:
        uK_CMB, float64, shape (F, 2, npix).

    Raises:
        ConfigError: JAX is in single precision, where the numbers would be others.
    """
    if jnp.result_type(float) != jnp.float64:
        raise ConfigError(
            "noise needs 64-bit numbers, and jax is in single precision; "
            "draw inside `with jax.enable_x64(True):`"
        )
    sigma = jnp.asarray(sigma, jnp.float64)
    key = draws.fold_in(draws.key_of(seed), realisation)
    return draws.normal(key, (sigma.shape[0], 2, hp.nside2npix(nside))) * sigma[:, None, None]


@partial(jax.jit, static_argnames="nside")
def white_noise_at(
    seed: int | Int[Array, ""],
    realisation: int | Int[Array, ""],
    sigma: Float[Array, " frequency"],
    nside: int,
    pixels: Int[Array, " pixel"],
) -> FrequencyMaps:
    """Restrict `white_noise` to pixels, as `Mask.pixels`: uK_CMB, (F, 2, n_pixels)."""
    return white_noise(seed, realisation, sigma, nside)[..., pixels]
