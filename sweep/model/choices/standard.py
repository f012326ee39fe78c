"""A modified black body of dust, and a power law of synchrotron."""

from sweep.model.components import CMB, dust, synchrotron
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel


def model(pivot: Pivot) -> SkyModel:
    """CMB, dust and synchrotron."""
    return SkyModel(fixed=(CMB,), components=(dust(pivot), synchrotron(pivot)))
