"""Dust as its moments up to the second about the start values, and a power law of synchrotron."""

from dataclasses import dataclass
from math import prod
from typing import Any

from sweep.model.component import Component, FixedComponent
from sweep.model.components import CMB, dust, synchrotron
from sweep.model.factor import Exponential, FactorTable
from sweep.model.parameters import BETA_DUST, TEMP_DUST
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel
from sweep.units import rj_to_cmb

ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))


@dataclass(frozen=True)
class Moment:
    """A derivative of a component's column, with respect to its parameters' coordinates.

    All up to an order along 1/T span the same as all up to it along T.

    Attributes:
        of: the component.
        at: values of its parameters, in their own units.
        order: of the derivative, 0 to 2 a parameter.
    """

    of: Component
    at: tuple[float, ...]
    order: tuple[int, ...]

    def __call__(self, frequency: Any) -> Any:
        """See `FixedComponent.spectrum`."""
        xp = frequency.__array_namespace__()
        to_cmb = rj_to_cmb(frequency, xp) / float(rj_to_cmb(self.of.nu0))
        parts = []
        for factor, value, order in zip(self.of.factors, self.at, self.order, strict=True):
            x = xp.asarray([factor.parameter.coordinate.internal(value)])
            parts.append(_derivative(factor.table(frequency, self.of.nu0, x), order)[0])
        return prod(parts, start=to_cmb)


def _derivative(table: FactorTable, order: int) -> Any:
    if isinstance(table, Exponential):
        return table.value * table.rate**order
    return table[order]


def model(pivot: Pivot) -> SkyModel:
    """CMB, moments of dust (Chluba, Hill and Abitbol 2017, arXiv:1701.00274), and synchrotron."""
    expanded = dust(pivot)
    parameters = (BETA_DUST, TEMP_DUST)
    at = tuple(pivot.start.get(p.name, p.start) for p in parameters)
    moments = tuple(FixedComponent(f"dust_{b}{t}", Moment(expanded, at, (b, t))) for b, t in ORDERS)
    return SkyModel(
        fixed=(CMB, *moments), components=(synchrotron(pivot),), expanded_about=parameters
    )
