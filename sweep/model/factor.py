"""Factors: how the column of a component depends on one parameter.

A table has one row a cluster and one column a frequency: the transcendental functions are evaluated
per cluster, rows of the likelihood only gather and multiply.

Arrays know their own functions (`__array_namespace__`): commands read the names and units of a
model without importing jax.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Float

from sweep.model.parameter import SpectralParameter
from sweep.units import H_OVER_K_GHZ

Table = Float[Any, "cluster frequency"]


class Exponential(NamedTuple):
    """A factor that is an exponential of its parameter: a derivative is a product with `rate`.

    Attributes:
        value: of the factor.
        rate: derivative of its logarithm, the same for all clusters.
    """

    value: Table
    rate: Float[Any, " frequency"]


class Curved(NamedTuple):
    """Any other factor.

    Attributes:
        value: of the factor.
        first, second: its derivatives along the fitted coordinate.
    """

    value: Table
    first: Table
    second: Table


FactorTable = Exponential | Curved
"""A factor of every cluster, and what gives its first two derivatives."""


@dataclass(frozen=True)
class Factor(ABC):
    """A factor of a component's column; hashable, so that it is static under jit.

    Attributes:
        parameter: that it depends on.
    """

    parameter: SpectralParameter

    @abstractmethod
    def table(
        self, frequency: Float[Any, " frequency"], nu0: float, x: Float[Any, " cluster"]
    ) -> FactorTable:
        """Evaluate it, with derivatives.

        Args:
            frequency: GHz.
            nu0: the component's reference, GHz, where the factor is 1.
            x: the parameter's coordinate, one a cluster.
        """


@dataclass(frozen=True)
class PowerLaw(Factor):
    """(nu/nu0)^(x + more), in brightness (K_RJ).

    Attributes:
        more: added to the parameter: 1 for the index of a modified black body.
    """

    more: float = 0.0

    def table(
        self, frequency: Float[Any, " frequency"], nu0: float, x: Float[Any, " cluster"]
    ) -> FactorTable:
        """See `Factor.table`."""
        xp = x.__array_namespace__()
        rate = xp.log(frequency / nu0)
        return Exponential(xp.exp(rate * (self.more + x[:, None])), rate)


@dataclass(frozen=True)
class PlanckRatio(Factor):
    """(exp(h nu0/kT) - 1) / (exp(h nu/kT) - 1), fitted in 1/T; T in K."""

    def table(
        self, frequency: Float[Any, " frequency"], nu0: float, x: Float[Any, " cluster"]
    ) -> FactorTable:
        """See `Factor.table`."""
        xp, inverse_temperature = x.__array_namespace__(), x[:, None]
        y, y0 = H_OVER_K_GHZ * frequency, H_OVER_K_GHZ * nu0
        e, e0 = xp.expm1(y * inverse_temperature), xp.expm1(y0 * inverse_temperature)
        value = e0 / e
        # derivatives of ln expm1(y c): s = y / (1 - e^-yc), then s (y - s)
        s, s0 = y + y / e, y0 + y0 / e0
        slope = s0 - s
        return Curved(
            value,
            first=value * slope,
            second=value * (slope**2 + s0 * (y0 - s0) - s * (y - s)),
        )
