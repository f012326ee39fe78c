"""The components that models have in common."""

from dataclasses import dataclass
from typing import Any

from sweep.model.component import Component, FixedComponent
from sweep.model.factor import PlanckRatio, PowerLaw
from sweep.model.parameters import BETA_DUST, BETA_PL, TEMP_DUST
from sweep.model.pivot import Pivot
from sweep.units import rj_to_cmb


@dataclass(frozen=True)
class Thermodynamic:
    """Spectrum of the CMB's fluctuations, which their unit makes 1."""

    def __call__(self, frequency: Any) -> Any:
        """See `FixedComponent.spectrum`."""
        return frequency * 0.0 + 1.0


@dataclass(frozen=True)
class FixedPowerLaw:
    """(nu/nu0)^index, in brightness (K_RJ).

    Attributes:
        index: the exponent.
        nu0: GHz, where it is 1 in uK_CMB.
    """

    index: float
    nu0: float

    def __call__(self, frequency: Any) -> Any:
        """See `FixedComponent.spectrum`."""
        to_cmb = rj_to_cmb(frequency, frequency.__array_namespace__())
        return to_cmb / float(rj_to_cmb(self.nu0)) * (frequency / self.nu0) ** self.index


CMB = FixedComponent("cmb", Thermodynamic())


def dust(pivot: Pivot) -> Component:
    """A modified black body, eq. 1 of Planck 2015 X (arXiv:1502.01588)."""
    factors = (PowerLaw(BETA_DUST, more=1.0), PlanckRatio(TEMP_DUST))
    return Component("dust", pivot.dust_nu0, factors)


def synchrotron(pivot: Pivot) -> Component:
    """A power law in brightness."""
    return Component("synchrotron", pivot.synchrotron_nu0, (PowerLaw(BETA_PL),))
