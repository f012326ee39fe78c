"""The minimiser, and where it may look."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import partial

import numpy as np

from sweep.config.models import parameter_names
from sweep.config.parameters import check_parameters
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.problem import Prior
from sweep.solvers import SOLVERS, Bounds, Solver


def build_solver(conf: SweepConf) -> Solver:
    """The minimiser that the configuration names.

    Raises:
        ConfigError: there is none of this name with these settings.
    """
    settings = asdict(conf.solver)
    kind = SOLVERS.get(conf.solver.name)
    if kind is None or {item.name for item in fields(kind)} != set(settings):
        raise ConfigError(f"solver.name = {conf.solver.name!r}: choose by solver=..., not by name")
    return kind(**settings)


def build_bounds(conf: SweepConf, lengths: Mapping[str, int], counts: Mapping[str, int]) -> Bounds:
    """Start, box and prior of every parameter.

    Args:
        conf: the configuration.
        lengths: of the cluster axes.
        counts: of the clusters on them; what is beyond only pads.

    Raises:
        ConfigError: two settings of a parameter do not go together.
    """
    check_parameters(conf)
    start, low, high, fixed, mean, precision = ({} for _ in range(6))
    for p in parameter_names(conf):
        given = getattr(conf.parameters, p)
        full = partial(np.full, lengths[p])
        if given.fixed is not None:
            fixed[p] = full(float(given.fixed))
            continue
        start[p], low[p], high[p] = (full(float(v)) for v in (given.start, given.low, given.high))
        if given.prior.width is not None:
            centre = given.start if given.prior.mean is None else given.prior.mean
            mean[p] = full(float(centre))
            precision[p] = np.where(
                np.arange(lengths[p]) < counts[p], float(given.prior.width) ** -2, 0.0
            )
    return Bounds(start, low, high, fixed, Prior(mean, precision) if mean else None)
