"""A parameter that a spectrum depends on."""

from dataclasses import dataclass

from sweep.model.coordinate import Coordinate


@dataclass(frozen=True)
class SpectralParameter:
    """One value a cluster; hashable, so that it is static under jit.

    Attributes:
        name: by which keys, files and tables know it.
        symbol: in pictures, of matplotlib's mathtext.
        unit: its own; empty where it has none.
        about: a few words.
        plausible: ends of what the spectrum of a cluster may be, in its own unit.
        coordinate: in which it is fitted.
    """

    name: str
    symbol: str
    unit: str
    about: str
    plausible: tuple[float, float]
    coordinate: Coordinate
