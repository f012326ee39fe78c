"""A parameter that a spectrum depends on."""

from dataclasses import dataclass

from sweep.model.coordinate import Coordinate


@dataclass(frozen=True)
class SpectralParameter:
    """One value a cluster; hashable, so that it is static under jit.

    Numbers are in the parameter's own unit.

    Attributes:
        name: by which keys, files and tables know it.
        number: its own for ever: the address of its draws, and its bit among flags; 0 to 6.
        symbol: in pictures, LaTeX with its dollars.
        about: what it is, in words.
        unit: "1" where there is none.
        start: where a fit begins; inside the box.
        box: the lowest and the highest value of a fit.
        plausible: ends of what the spectrum of a cluster may be.
        coordinate: in which it is fitted.
        clusters: number of clusters where nothing else is said.
        nside: of clusters that are coarser pixels, where nothing else is said; 0 is one cluster.
    """

    name: str
    number: int
    symbol: str
    about: str
    unit: str
    start: float
    box: tuple[float, float]
    plausible: tuple[float, float]
    coordinate: Coordinate
    clusters: int = 1
    nside: int = 0

    @property
    def unit_behind(self) -> str:
        """The unit behind a number, after a blank; empty where there is none."""
        return "" if self.unit == "1" else f" {self.unit}"
