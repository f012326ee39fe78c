"""A metric of one experiment by itself, for programs that search: lower is better."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.candidates import CONVERGED
from sweep.statistics.dataset import is_usable, noisy_part
from sweep.statistics.selection import checked, contest, nothing


@dataclass(frozen=True)
class Objective:
    """A metric of an experiment.

    Attributes:
        value: of the metric; infinite where the experiment cannot be ranked.
        error: of that, NaN where it is not known.
        why: it cannot be ranked; empty where it can.
    """

    value: float
    error: float
    why: str = ""


def objective(ds: xr.Dataset, metric: str, *, converged: float = CONVERGED) -> Objective:
    """The metric of an experiment over its usable fits.

    Args:
        ds: of the one experiment.
        metric: one of `METRICS`; `r` counts as `bias`.
        converged: as for `sweep.statistics.selection.best`.

    Raises:
        ConfigError: unknown metric, or it has no value although every fit can be used: fits do not
            have what it needs.
    """
    metric = checked(metric)
    ranking, left_out, fields = contest(ds, metric, lambda: None, None, converged)
    badly_fitted = bool(left_out) or not is_usable(noisy_part(ds)["status"].values).all()
    ((_, field),) = fields
    if field.members:
        error = ranking.error(field.members[0], field.on, field.estimator)
        return Objective(float(field.values[0]), error)
    if badly_fitted:
        return Objective(np.inf, np.nan, ", ".join(left_out))
    raise ConfigError(f"objective={metric}: {nothing(metric, left_out)}")
