"""Dust alone, for bands at which synchrotron is faint; three do where its temperature is fixed."""

from sweep.model.components import CMB, dust
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel


def model(pivot: Pivot) -> SkyModel:
    """CMB and dust."""
    return SkyModel(fixed=(CMB,), components=(dust(pivot),))
