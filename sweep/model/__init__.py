"""What the sky is made of, as the fit sees it: parameters, their factors, components, a model."""

from sweep.model.component import Component, FixedComponent
from sweep.model.coordinate import Inverse, Linear
from sweep.model.factor import Curved, Exponential, Factor, FactorTable, PlanckRatio, PowerLaw
from sweep.model.parameter import SpectralParameter
from sweep.model.sky_model import SkyModel
from sweep.model.standard import standard

__all__ = [
    "Component",
    "Curved",
    "Exponential",
    "Factor",
    "FactorTable",
    "FixedComponent",
    "Inverse",
    "Linear",
    "PlanckRatio",
    "PowerLaw",
    "SkyModel",
    "SpectralParameter",
    "standard",
]
