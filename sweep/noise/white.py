"""White noise, addressed by seed and realisation.

A draw is that of the whole sphere, so that it is the same for every mask, block, worker and order
of work; but only the numbers of the pixels asked for are made.
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
    """Draw the noise of one realisation on the whole sphere: `white_noise_at` of all pixels."""
    return white_noise_at(seed, realisation, sigma, nside, jnp.arange(hp.nside2npix(nside)))


@partial(jax.jit, static_argnames="nside")
def white_noise_at(
    seed: int | Int[Array, ""],
    realisation: int | Int[Array, ""],
    sigma: Float[Array, " frequency"],
    nside: int,
    pixels: Int[Array, " pixel"],
) -> FrequencyMaps:
    """Draw the noise of one realisation in some pixels.

    normal(fold_in(key(seed), realisation), (F, 2, npix)) times sigma, a band at a time. Can be
    jitted, and vmapped over `realisation`. No setting of JAX changes the numbers.

    Args:
        seed: Of all realisations.
        realisation: Number of the realisation, at least 0.
        sigma: Standard deviation per pixel in uK_CMB (F,), as `Instrument.noise_sigma`.
        nside: HEALPix resolution.
        pixels: RING indices, as `Mask.pixels`.

    Returns:
        uK_CMB, float64, shape (F, 2, n_pixels).

    Raises:
        ConfigError: JAX is in single precision, where the numbers would be others.
    """
    if jnp.result_type(float) != jnp.float64:
        raise ConfigError(
            "noise needs 64-bit numbers, and jax is in single precision; "
            "draw inside `with jax.enable_x64(True):`"
        )
    sigma, pixels = jnp.asarray(sigma, jnp.float64), jnp.asarray(pixels)
    key, npix = draws.fold_in(draws.key_of(seed), realisation), hp.nside2npix(nside)

    def of_band(band: tuple[Array, Array]) -> Array:
        number, level = band
        row = 2 * number + jnp.arange(2)
        return draws.normal_at(key, (row[:, None] * npix + pixels).astype(jnp.uint64)) * level

    return jax.lax.map(of_band, (jnp.arange(sigma.shape[0]), sigma))
