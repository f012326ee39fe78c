"""What a model is made about."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Pivot:
    """Where columns are 1, and where they are expanded.

    Attributes:
        dust_nu0, synchrotron_nu0: reference frequencies, GHz.
        start: start values by name of the parameter; those of a model's own where one is not there.
    """

    dust_nu0: float
    synchrotron_nu0: float
    start: Mapping[str, float]
