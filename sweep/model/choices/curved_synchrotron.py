"""The standard model, with a synchrotron index that runs with the logarithm of frequency."""

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float

from sweep.model.components import CMB, dust, synchrotron
from sweep.model.coordinate import Linear
from sweep.model.factor import Exponential, Factor
from sweep.model.parameter import SpectralParameter
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel

CURVATURE_PL = SpectralParameter(
    name="curvature_pl",
    number=3,
    symbol=r"$C_\mathrm{s}$",
    about="curvature of the synchrotron index",
    unit="1",
    start=0.0,
    box=(-0.5, 0.5),
    # -0.052 +- 0.005 between 0.02 and 90 GHz (Kogut 2012, arXiv:1205.4041)
    plausible=(-0.3, 0.3),
    coordinate=Linear(),
)


@dataclass(frozen=True)
class Running(Factor):
    """(nu/nu0)^(x ln(nu/nu0)): the index changes by 2 x for each e-fold of frequency."""

    def table(
        self, frequency: Float[Any, " frequency"], nu0: float, x: Float[Any, " cluster"]
    ) -> Exponential:
        """See `Factor.table`."""
        xp = x.__array_namespace__()
        rate = xp.log(frequency / nu0) ** 2
        return Exponential(xp.exp(rate * x[:, None]), rate)


def model(pivot: Pivot) -> SkyModel:
    """CMB, dust, and synchrotron with the curvature of Kogut 2012 (arXiv:1205.4041)."""
    straight = synchrotron(pivot)
    curved = replace(straight, factors=(*straight.factors, Running(CURVATURE_PL)))
    return SkyModel(fixed=(CMB,), components=(dust(pivot), curved))
