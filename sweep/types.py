"""Shapes and status codes that every module shares."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from jaxtyping import Float, Int  # not Array, which would import jax

FrequencyMaps = Float[Any, "frequency stokes pixel"]
"""Maps in uK_CMB; stokes is (Q, U); pixels in RING order."""

Draw = Callable[[int], FrequencyMaps]
"""Maps of a realisation, by its number: uK_CMB, shape (frequency, stokes, pixel)."""

StokesMap = Float[Any, "stokes pixel"]
Labels = Int[Any, " pixel"]
Params = dict[str, Float[Any, " _"]]
"""Spectral parameters, by name, one value a cluster; of JAX or of numpy."""

BlockParams = dict[str, Float[Any, "realisation _"]]
"""The same for the realisations of a block."""


class Status(IntEnum):
    """How a fit of one realisation ended. Stored as int8, counted, never dropped."""

    PENDING = 0
    CONVERGED = 1
    MAX_STEPS = 2
    NONFINITE = 3
    OUTSIDE_BOX = 4
    STALLED = 5

    @property
    def usable(self) -> bool:
        """Whether statistics may use the fit: it is finite and inside the box."""
        return self in (Status.CONVERGED, Status.MAX_STEPS, Status.STALLED)


NOT_ATTEMPTED = -1
"""`scan_certified` of fits that ended without a scan for lower minima."""
