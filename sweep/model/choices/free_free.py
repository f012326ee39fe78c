"""The standard model, and free-free emission of a fixed index."""

from sweep.model.component import FixedComponent
from sweep.model.components import CMB, FixedPowerLaw, dust, synchrotron
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel

INDEX = -2.14
"""PySM's model f1; the Gaunt factor makes the spectrum steeper than -2 at these frequencies."""


def model(pivot: Pivot) -> SkyModel:
    """CMB, free-free, dust and synchrotron."""
    free_free = FixedComponent("free_free", FixedPowerLaw(INDEX, pivot.synchrotron_nu0))
    return SkyModel(fixed=(CMB, free_free), components=(dust(pivot), synchrotron(pivot)))
