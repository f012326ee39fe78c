"""What the settings of a spectral parameter ask of each other."""

from typing import Any

from sweep.config.models import sky_model
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.model import Inverse


def check_parameters(given: SweepConf) -> None:
    """Check start, box, prior and fixed value of every parameter.

    Raises:
        ConfigError: naming the key, its value and what is allowed.
    """
    model = sky_model(given)
    for p in (*model.parameters, *model.expanded_about):
        conf: Any = getattr(given.parameters, p.name)
        if isinstance(p.coordinate, Inverse) and conf.low <= 0:
            raise ConfigError(
                f"parameters.{p.name}.low = {conf.low:g}{p.unit_behind}: must be above 0"
            )
        _check(f"parameters.{p.name}", conf)
        if p in model.expanded_about and (conf.fixed, conf.prior.width) != (None, None):
            raise ConfigError(
                f"parameters.{p.name}: model={given.model.name} takes its start only, and fits "
                "none: leave prior and fixed value out"
            )


def _check(key: str, conf: Any) -> None:
    low, high, prior = conf.low, conf.high, conf.prior
    if not low < high:
        raise ConfigError(f"{key}: low {low:g} must be below high {high:g}")
    for part, value in (("start", conf.start), ("prior.mean", prior.mean)):
        if value is not None and not low < value < high:
            raise ConfigError(f"{key}.{part} = {value:g}: must be inside ({low:g}, {high:g})")
    if prior.mean is not None and prior.width is None:
        raise ConfigError(f"{key}.prior.mean = {prior.mean:g}: does nothing without prior.width")
    if conf.fixed is None:
        return
    if not low <= conf.fixed <= high:
        raise ConfigError(f"{key}.fixed = {conf.fixed:g}: must be in the box [{low:g}, {high:g}]")
    if prior.width is not None:
        raise ConfigError(
            f"{key}.fixed = {conf.fixed:g}: what is fixed has no prior: add {key}.prior.width=null"
        )
