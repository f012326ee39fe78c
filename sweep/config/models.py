"""What a configuration says of the parameters of its model, and what the model says itself."""

from collections.abc import Iterable
from typing import Any

from sweep.config.groups.clusters import MultiresConf
from sweep.config.groups.parameters import ParameterConf
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.model import FITTED, KNOWN, MODELS, SET, Pivot, SkyModel


def fill_in(conf: SweepConf, overrides: Iterable[str] = ()) -> None:
    """Put the model's own values where a configuration has none, and drop what it has no use for.

    Files of settings serve several models. What is asked for by an override is used or refused.

    Args:
        conf: whose groups `clusters` and `parameters` are completed.
        overrides: as they were given.

    Raises:
        ConfigError: an override is about a parameter that the model does not have.
    """
    fitted, known = ([p.name for p in of[conf.model.name]] for of in (FITTED, SET))
    for text in overrides:
        _check_asked(text.lstrip("+~").partition("=")[0].split("."), fitted, known, conf.model.name)
    coarser = isinstance(conf.clusters, MultiresConf)
    for name, p in KNOWN.items():
        if hasattr(conf.clusters, name):
            usual = {name: p.nside if coarser else p.clusters}
            _complete(conf.clusters, usual if name in fitted else {name: None})
        of_parameter = getattr(conf.parameters, name) or ParameterConf()
        _complete(of_parameter, {"start": p.start, "low": p.box[0], "high": p.box[1]})
        setattr(conf.parameters, name, of_parameter if name in known else None)


def sky_model(conf: SweepConf) -> SkyModel:
    """The model that a configuration names, about its reference frequencies and start values."""
    of = conf.parameters
    start = {p.name: float(getattr(of, p.name).start) for p in SET[conf.model.name]}
    pivot = Pivot(float(of.dust_nu0), float(of.synchrotron_nu0), start)
    return MODELS[conf.model.name](pivot)


def parameter_names(conf: SweepConf) -> tuple[str, ...]:
    """Names of the parameters that are fitted, in the order of the model."""
    return tuple(p.name for p in FITTED[conf.model.name])


def _complete(group: Any, usual: dict[str, Any]) -> None:
    for name, value in usual.items():
        if value is None or getattr(group, name) is None:
            setattr(group, name, value)


def _check_asked(key: list[str], fitted: list[str], known: list[str], model: str) -> None:
    group, name = key[0], ".".join(key[1:2])
    of_group = {"clusters": fitted, "parameters": known}.get(group)
    if of_group is not None and name in KNOWN and name not in of_group:
        has = "has" if name not in known else "fits"
        raise ConfigError(
            f"{'.'.join(key)}: model={model} {has} no `{name}`, it {has} {', '.join(of_group)}: "
            "leave it out, or choose another model"
        )
