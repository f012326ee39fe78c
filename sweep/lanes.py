"""How the realisations of a block are computed: side by side, or one after another."""

from collections.abc import Callable
from functools import partial

import jax


def side_by_side() -> bool:
    """Whether lanes in lockstep pay: not on a CPU, where they wait for the slowest for nothing."""
    return jax.default_backend() != "cpu"


def over_realisations(one: Callable) -> Callable:
    """Map a function of one realisation over the leading axis of its only argument."""
    return jax.vmap(one) if side_by_side() else partial(jax.lax.map, one)
