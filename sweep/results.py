"""What a store says, for notebooks: the public names of `sweep.statistics`, whose modules may move.

Functions of an experiment take what `sweep.open` or `sweep.run` returns, and its position in it.
"""

from sweep.statistics import curvature, fits, maps, optimum, residuals
from sweep.statistics.combination import best_of_zones
from sweep.statistics.curvature import described
from sweep.statistics.experiment import by_position
from sweep.statistics.front import front
from sweep.statistics.maps import sphere
from sweep.statistics.optimum import verdict
from sweep.statistics.rankings import templates_of
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import bootstrap, tensor_ratio
from sweep.statistics.variance import convergence, paired, statistics

cmb_maps = by_position(maps.cmb_maps)
on_pixels = by_position(maps.on_pixels)
parameter_errors = by_position(curvature.parameter_errors)
parameter_maps = by_position(maps.parameter_maps)
perturbations = by_position(optimum.perturbations)
read_residuals = by_position(residuals.read_residuals)
residual_maps = by_position(maps.residual_maps)
true_parameter_maps = by_position(maps.true_parameter_maps)
write_fits = by_position(fits.write_fits)

__all__ = [
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
