"""Components: what has one spectrum, and one amplitude a pixel and Stokes parameter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sweep.model.factor import Factor


@dataclass(frozen=True)
class Component:
    """A component whose spectrum is fitted: the product of its factors, in brightness (K_RJ).

    Attributes:
        name: by which maps and files know it.
        nu0: reference frequency, GHz, at which its column is 1 in uK_CMB.
        factors: at least one.
    """

    name: str
    nu0: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class FixedComponent:
    """A component of a known spectrum, whose amplitudes alone are fitted.

    Attributes:
        name: by which maps and files know it.
        spectrum: from frequencies in GHz to its column in uK_CMB, both of shape (frequency,).
    """

    name: str
    spectrum: Callable[[Any], Any]
