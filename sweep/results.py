"""What a store says, for notebooks: the public names of `sweep.statistics`, whose modules may move.

Each takes what `sweep.open` or `sweep.run` returns, and the position of an experiment in it.
"""

from sweep.statistics.combination import best_of_zones
from sweep.statistics.curvature import described, parameter_errors
from sweep.statistics.fits import write_fits
from sweep.statistics.front import front
from sweep.statistics.maps import (
    cmb_maps,
    on_pixels,
    parameter_maps,
    residual_maps,
    sphere,
    true_parameter_maps,
)
from sweep.statistics.optimum import perturbations, verdict
from sweep.statistics.rankings import templates_of
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import bootstrap, tensor_ratio
from sweep.statistics.variance import convergence, paired, statistics
from sweep.types import PARAMETERS

__all__ = [
    "PARAMETERS",
    "best",
    "best_of_zones",
    "bootstrap",
    "cmb_maps",
    "convergence",
    "described",
    "front",
    "on_pixels",
    "paired",
    "parameter_errors",
    "parameter_maps",
    "perturbations",
    "read_residuals",
    "residual_maps",
    "sphere",
    "statistics",
    "summary",
    "templates_of",
    "tensor_ratio",
    "true_parameter_maps",
    "verdict",
    "write_fits",
]
