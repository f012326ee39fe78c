"""The standard model: a modified black body of dust, and a power law of synchrotron."""

from typing import Any

from sweep.model.component import Component, FixedComponent
from sweep.model.coordinate import Inverse, Linear
from sweep.model.factor import PlanckRatio, PowerLaw
from sweep.model.parameter import SpectralParameter
from sweep.model.sky_model import SkyModel


def _ones(frequency: Any) -> Any:
    return frequency * 0.0 + 1.0


CMB = FixedComponent("cmb", _ones)

BETA_DUST = SpectralParameter(
    name="beta_dust",
    # 1.53 +- 0.02 in polarisation (Planck 2018 XI, arXiv:1801.04945), 1.62 +- 0.10 over lines of
    # sight (Planck 2013 XI, arXiv:1312.1300); the ranges here are generous about what is seen
    plausible=(1.0, 2.2),
    coordinate=Linear(),
)

TEMP_DUST = SpectralParameter(
    name="temp_dust",
    plausible=(10.0, 40.0),  # 15 to 27 K (Planck 2013 XI)
    coordinate=Inverse(),
)

BETA_PL = SpectralParameter(
    name="beta_pl",
    # -3.22 +- 0.08 (S-PASS, arXiv:1802.01145), -3.08 +- 0.13 with regions from -3.6 to -2.6
    # (QUIJOTE, arXiv:2301.05113)
    plausible=(-3.6, -2.4),
    coordinate=Linear(),
)


def standard(dust_nu0: float, synchrotron_nu0: float) -> SkyModel:
    """CMB, dust and synchrotron; reference frequencies in GHz.

    Dust is eq. 1 of Planck 2015 X (arXiv:1502.01588).
    """
    return SkyModel(
        fixed=(CMB,),
        components=(
            Component("dust", dust_nu0, (PowerLaw(BETA_DUST, more=1.0), PlanckRatio(TEMP_DUST))),
            Component("synchrotron", synchrotron_nu0, (PowerLaw(BETA_PL),)),
        ),
    )
