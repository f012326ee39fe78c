"""What the sky is made of, as the fit sees it: parameters, their factors, components, a model."""

from sweep.model.choices import ABOUT, DEFAULT, FITTED, KNOWN, MODELS, SET
from sweep.model.component import Component, FixedComponent
from sweep.model.coordinate import Inverse, Linear
from sweep.model.factor import Curved, Exponential, Factor, FactorTable, PlanckRatio, PowerLaw
from sweep.model.parameter import SpectralParameter
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel

__all__ = [
    "ABOUT",
    "DEFAULT",
    "KNOWN",
    "MODELS",
    "Component",
    "Curved",
    "Exponential",
    "FITTED",
    "Factor",
    "FactorTable",
    "FixedComponent",
    "Inverse",
    "Linear",
    "Pivot",
    "PlanckRatio",
    "PowerLaw",
    "SET",
    "SkyModel",
    "SpectralParameter",
]
