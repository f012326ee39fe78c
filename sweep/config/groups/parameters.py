"""The model that is fitted, and start, box and prior of its parameters."""

from dataclasses import dataclass

from sweep.config.checks import in_ghz, one_of, positive, setting
from sweep.config.groups.by_parameter import one_a_parameter
from sweep.model import DEFAULT, MODELS


@dataclass
class PriorConf:
    """Gaussian prior of every cluster of one spectral parameter."""

    mean: float | None = setting(None, "mean of the prior; null is the start value", absent=None)
    width: float | None = setting(
        None, "standard deviation of the prior; null is no prior", positive, absent=None
    )


@dataclass
class ParameterConf:
    """Start value, box and prior of one spectral parameter."""

    start: float | None = setting(None, "start value, inside the box")
    low: float | None = setting(None, "lower bound of the box")
    high: float | None = setting(None, "upper bound of the box, above the lower")
    fixed: float | None = setting(
        None, "value of every cluster, not fitted and without a prior; null fits it", absent=None
    )
    prior: PriorConf = setting(PriorConf(), "what is known before the data")


@dataclass
@one_a_parameter(ParameterConf | None, lambda p: setting(ParameterConf(), p.about, absent=None))
class ParametersConf:
    """Start values, boxes, priors and reference frequencies, the same for every solver."""

    dust_nu0: float = setting(150.0, "reference frequency of dust, GHz", in_ghz)
    synchrotron_nu0: float = setting(20.0, "reference frequency of synchrotron, GHz", in_ghz)


@dataclass
class ModelConf:
    """What the sky is made of, as the fit sees it."""

    name: str = setting(DEFAULT, "the choice of this group", one_of(*MODELS), absent=DEFAULT)
