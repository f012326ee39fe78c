"""Starts drawn in the box, addressed by seed, realisation and number.

A draw depends on nothing else: not on the block, the worker, the order or the length of an axis.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sweep.model import KNOWN
from sweep.solvers.base import Bounds
from sweep.types import BlockParams

_STREAM = 0x57A27
"""Keeps these draws apart from others of the same seed."""


def drawn_starts(
    bounds: Bounds, seed: int, realisations: Sequence[int], number: int
) -> BlockParams:
    """Starts of the free parameters, each uniform in its box and in its own unit.

    Args:
        bounds: the box.
        seed: of all draws.
        realisations: numbers of the realisations, from -1 on.
        number: which of the further starts of each, from 1 on.

    Returns:
        Shape (realisation, cluster) each.
    """

    def draw(realisation: int, p: Any) -> np.ndarray:
        low, high = np.asarray(bounds.low[p]), np.asarray(bounds.high[p])
        address = (_STREAM, seed, realisation + 1, number, KNOWN[p].number)
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence(address)))
        return low + (high - low) * random.random(low.shape)

    return {p: jnp.asarray([draw(r, p) for r in realisations]) for p in bounds.start}
