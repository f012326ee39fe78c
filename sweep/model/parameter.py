"""A parameter that a spectrum depends on."""

from dataclasses import dataclass

from sweep.model.coordinate import Coordinate


@dataclass(frozen=True)
class SpectralParameter:
    """One value a cluster; hashable, so that it is static under jit.

    Attributes:
        name: by which keys, files and tables know it.
        plausible: ends of what the spectrum of a cluster may be, in its own unit.
        coordinate: in which it is fitted.
    """

    name: str
    plausible: tuple[float, float]
    coordinate: Coordinate
