"""How the realisations of a block are computed: side by side, or one after another."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np


def side_by_side() -> bool:
    """Whether lanes in lockstep pay: not on a CPU, where they wait for the slowest for nothing."""
    return jax.default_backend() != "cpu"


def over_realisations(one: Callable) -> Callable:
    """Map a function of one realisation over the leading axis of its only argument."""
    return jax.vmap(one) if side_by_side() else partial(jax.lax.map, one)


def by_realisation(compiled: Callable, *blocks: Any) -> Any:
    """What a compiled function gives of blocks, whose leaves lead with the realisation.

    Where lanes do not pay it is called for one realisation at a time: its program is then the same
    for blocks of any size, and need not be compiled again where the last one is smaller.
    """
    count = len(jax.tree.leaves(blocks)[0])
    if side_by_side() or count == 1:
        return compiled(*blocks)
    on_host = jax.tree.map(np.asarray, blocks)  # no copy on a CPU
    each = [
        compiled(*jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], on_host)) for i in range(count)
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *each)
