"""The coordinate in which a parameter is fitted, where that is not its own unit."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


class Coordinate(ABC):
    """A monotonic change of variable; on arrays of JAX or of numpy, of any shape."""

    @abstractmethod
    def internal(self, own: Any) -> Any:
        """The coordinate of a parameter in its own unit."""

    @abstractmethod
    def own(self, internal: Any) -> Any:
        """The parameter in its own unit."""

    @abstractmethod
    def own_derivatives(self, own: Any) -> tuple[Any, Any]:
        """First and second derivative of the parameter along its coordinate."""

    @abstractmethod
    def internal_derivatives(self, own: Any) -> tuple[Any, Any]:
        """First and second derivative of the coordinate along its parameter."""


@dataclass(frozen=True)
class Linear(Coordinate):
    """The parameter itself."""

    def internal(self, own: Any) -> Any:
        """See `Coordinate`."""
        return own

    def own(self, internal: Any) -> Any:
        """See `Coordinate`."""
        return internal

    def own_derivatives(self, own: Any) -> tuple[Any, Any]:
        """See `Coordinate`."""
        del own
        return 1.0, 0.0

    def internal_derivatives(self, own: Any) -> tuple[Any, Any]:
        """See `Coordinate`."""
        del own
        return 1.0, 0.0


@dataclass(frozen=True)
class Inverse(Coordinate):
    """One over the parameter, which is positive.

    Warm dust is a power law times a function that is nearly linear in 1/T: there a Newton step
    reaches the hot end of the box at once, in temperature it takes tens.
    """

    def internal(self, own: Any) -> Any:
        """See `Coordinate`."""
        return 1.0 / own

    def own(self, internal: Any) -> Any:
        """See `Coordinate`."""
        return 1.0 / internal

    def own_derivatives(self, own: Any) -> tuple[Any, Any]:
        """See `Coordinate`."""
        return -(own**2), 2.0 * own**3

    def internal_derivatives(self, own: Any) -> tuple[Any, Any]:
        """See `Coordinate`."""
        return -1.0 / own**2, 2.0 / own**3
