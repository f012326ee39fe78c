"""Random numbers of JAX's threefry generator that no setting of JAX changes.

`jax.random` reads `jax_random_seed_offset` where a key is made, and `jax_threefry_partitionable`
as late as where a program that draws is lowered. So the numbers are made here from the hash
itself, as `jax.random` makes them by default since JAX 0.5.
"""

from math import prod

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.random import threefry2x32_p, threefry_2x32
from jaxtyping import Array, Float, Int, UInt32, UInt64

Key = UInt32[Array, " 2"]
"""Data of a threefry key, as `jax.random.key_data` gives and `jax.random.wrap_key_data` takes."""


def key_of(seed: int | Int[Array, ""]) -> Key:
    """As `jax.random.key(seed, impl="threefry2x32")`; needs 64-bit numbers."""
    seed = jnp.asarray(seed, jnp.int64)
    return jnp.stack([seed >> 32, seed & 0xFFFFFFFF]).astype(jnp.uint32)


def fold_in(key: Key, number: int | Int[Array, ""]) -> Key:
    """As `jax.random.fold_in`."""
    number = jnp.asarray(number).astype(jnp.uint32)
    return threefry_2x32(tuple(key), jnp.stack([jnp.zeros_like(number), number]))


def normal(key: Key, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """As `jax.random.normal` of float64."""
    return normal_at(key, lax.iota(jnp.uint64, prod(shape))).reshape(shape)


def normal_at(key: Key, place: UInt64[Array, "..."]) -> Float[Array, "..."]:
    """The numbers of `normal` at places of its flattened array; each follows from its place."""
    halves = (place >> 32).astype(jnp.uint32), place.astype(jnp.uint32)
    high, low = (half.astype(jnp.uint64) for half in threefry2x32_p.bind(*key, *halves))
    # 52 random bits behind the exponent of 1 are a number from 1 to 2
    bits = (high << 32 | low) >> 12 | np.float64(1).view(np.uint64)
    unit = lax.bitcast_convert_type(bits, jnp.float64) - 1.0
    least = np.nextafter(-1.0, 0.0)
    uniform = jnp.maximum(least, unit * (1.0 - least) + least)
    return np.sqrt(2.0) * lax.erf_inv(uniform)
