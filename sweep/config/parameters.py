"""What the settings of a spectral parameter ask of each other."""

from sweep.config.schema import ParameterConf, ParametersConf
from sweep.errors import ConfigError
from sweep.types import PARAMETERS


def check_parameters(given: ParametersConf) -> None:
    """Check start, box, prior and fixed value of every parameter.

    Raises:
        ConfigError: naming the key, its value and what is allowed.
    """
    for name in PARAMETERS:
        conf: ParameterConf = getattr(given, name)
        if name == "temp_dust" and conf.low <= 0:
            raise ConfigError(f"parameters.temp_dust.low = {conf.low:g} K: must be above 0")
        _check(f"parameters.{name}", conf)


def _check(key: str, conf: ParameterConf) -> None:
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
