"""Bounds of configuration values: declared beside the default, checked once, at the edge."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import field, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any

from sweep.errors import ConfigError
from sweep.model import DEFAULT
from sweep.units import frequency_problem

Check = Callable[[Any], str | None]
"""Says what a value must be, or None where it is right."""


_ALWAYS = object()


def setting(
    default: Any,
    doc: str,
    check: Check | None = None,
    *,
    absent: Any = _ALWAYS,
    by_realisation: bool = False,
) -> Any:
    """A dataclass field with its one line of documentation and its check.

    Args:
        default: its value, where nothing else is said.
        doc: what it is.
        check: what values it takes.
        absent: the value of experiments from before there was such a setting; at it, it is left
            out of an experiment's identity and of what a store keeps.
        by_realisation: whether it is a path that names a file for every realisation, see
            `sweep.inputs.map_files`; made absolute, and no part of an experiment's identity.
    """
    metadata = {"doc": doc, "check": check, "absent": absent, "by_realisation": by_realisation}
    if isinstance(default, list | dict) or is_dataclass(default):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def at_least(bound: float) -> Check:
    """The value is `bound` or more."""
    return lambda v: None if v >= bound else f"must be at least {bound:g}"


def between(low: float, high: float) -> Check:
    """The value is in the interval, its ends included."""
    return lambda v: None if low <= v <= high else f"must be from {low:g} to {high:g}"


def positive(value: float | None) -> str | None:
    """The value is above zero, or null where the setting may be."""
    return None if value is None or value > 0 else "must be positive"


def each(check: Check) -> Check:
    """Every number of a list passes `check`."""

    def checked(values: Any) -> str | None:
        numbers = values if isinstance(values, list) else [values]
        return next((problem for v in numbers if (problem := check(v))), None)

    return checked


def number_or_list(check: Check) -> Check:
    """The value is a number, or a list of numbers, that pass `check`."""

    def checked(value: Any) -> str | None:
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(v, bool) or not isinstance(v, int | float) for v in numbers):
            return "must be a number or a list of numbers"
        return each(check)(value)

    return checked


def negative(value: float) -> str | None:
    """The value is below zero."""
    return None if value < 0 else "must be negative"


def in_ghz(value: float) -> str | None:
    """The value is a frequency in GHz at which there are bands."""
    return positive(value) or frequency_problem(value)


def or_null(check: Check) -> Check:
    """The value is null, or passes `check`."""
    return lambda v: None if v is None else check(v)


def not_empty(value: str) -> str | None:
    """The value is a word at least."""
    return None if str(value).strip() else "must not be empty"


def none_or_two(value: list[str]) -> str | None:
    """The value is two words, or none."""
    return None if len(value) in (0, 2) else "must be two names, of Q and of U"


def one_of(*choices: Any) -> Check:
    """The value is one of `choices`."""
    allowed = ", ".join(str(c) for c in choices)
    return lambda v: None if v in choices else f"must be one of {allowed}"


def some_of(*choices: str) -> Check:
    """The value is one of `choices`, or a list of some of them."""
    allowed = f"must be some of {', '.join(choices)}"

    def checked(value: Any) -> str | None:
        names = value if isinstance(value, list) else [value]
        return None if names and all(name in choices for name in names) else allowed

    return checked


def chosen(name: str) -> Any:
    """The field that says which choice of its group this is; it goes with the choice."""
    rule = f"comes with the choice of the group and must be {name}"
    return setting(name, "the choice of this group", lambda v: None if v == name else rule)


def healpix_nside(value: int) -> str | None:
    """The value is a HEALPix resolution: a power of two."""
    if value >= 1 and value & (value - 1) == 0:
        return None
    below = 1 << max(value.bit_length() - 1, 0) if value > 0 else 1
    near = f"{below} or {2 * below}" if value > 0 else "64"
    return f"must be a power of two: use {near}"


def auto_or(check: Check, *words: str) -> Check:
    """The value is the word auto, another of `words`, or an integer that passes `check`."""

    def checked(value: Any) -> str | None:
        if value in ("auto", *words):
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be {', '.join(('auto', *words))} or an integer"
        return check(value)

    return checked


def check(conf: Any, prefix: str = "") -> None:
    """Check every setting of a configuration dataclass.

    Raises:
        ConfigError: naming the first wrong key, its value and what is allowed.
    """
    for key, value, metadata in settings(conf, prefix):
        check_setting(key, value, metadata)


def check_setting(key: str, value: Any, metadata: Mapping) -> None:
    """Check the value of one setting, by what its field says.

    Raises:
        ConfigError: naming the key, its value and what is allowed.
    """
    rule = metadata.get("check")
    problem = _not_finite(value) or (rule(value) if rule is not None else None)
    if problem:
        raise ConfigError(f"{key} = {value!r}: {problem}")


def check_together(conf: Any) -> None:
    """Check what settings of different groups ask of each other.

    Raises:
        ConfigError: naming the key, its value and what to choose instead.
    """
    _check_likelihood(conf)
    _check_maps(conf)
    if conf.noise.antithetic and conf.noise.realisations % 2:
        raise ConfigError(
            f"noise.realisations = {conf.noise.realisations}: noise.antithetic has its draws in "
            "pairs, give an even number"
        )


def _check_likelihood(conf: Any) -> None:
    """Check that solver and model know the likelihood that `fit` asks for.

    Raises:
        ConfigError: naming the key, its value and what to choose instead.
    """
    given = conf.fit.likelihood
    if conf.solver.name == "newton" and given != "direct":
        raise ConfigError(
            f"fit.likelihood = {given!r}: newton knows the derivatives of the closed form only; "
            "choose solver=optax_lbfgs or fit.likelihood=direct"
        )
    if given == "furax" and conf.model.name != DEFAULT:
        raise ConfigError(
            f"fit.likelihood = furax: furax's own code has no model={conf.model.name}; choose "
            f"fit.likelihood=direct or model={DEFAULT}"
        )


def _check_maps(conf: Any) -> None:
    """Check what the choice of `sky=maps` asks of the groups `noise` and `store`.

    Raises:
        ConfigError: naming the key, its value and what to choose instead.
    """
    sky, noise = conf.sky, conf.noise
    if sky.name != "maps":
        return
    if getattr(noise, "ratio", 1.0) != 1.0:
        raise ConfigError(
            f"noise.ratio = {noise.ratio!r}: maps from files hold their noise, and none is added; "
            "leave it at 1"
        )
    errors = conf.instrument.errors
    for kind in ("gain", "shift", "angle"):
        if getattr(errors, kind) not in (0, 0.0, [], None):
            raise ConfigError(
                f"instrument.errors.{kind} = {getattr(errors, kind)!r}: maps from files have the "
                "errors of their instrument, and none are added; leave it at 0"
            )
    if noise.antithetic:
        raise ConfigError(
            "noise.antithetic = True: maps of sky.path hold their noise, of which the sign cannot "
            "be changed; leave it out"
        )
    if "{realisation" not in sky.path and noise.realisations != 1:
        raise ConfigError(
            f"noise.realisations = {noise.realisations}: sky.path has no {{realisation}}, it is "
            "one observed sky; set noise.realisations=1"
        )
    if noise.noiseless and sky.noiseless is None:
        raise ConfigError(
            "noise.noiseless = True: maps from files hold their noise; give those without it by "
            "sky.noiseless=..., or leave it at false"
        )
    for key, path in (("noiseless", sky.noiseless), ("truth", sky.truth)):
        if noise.noiseless and "{realisation" in (path or ""):
            raise ConfigError(
                f"sky.{key} = {path}: the fit without noise is one, and has one CMB; give one set "
                "of maps, or leave noise.noiseless at false"
            )
    if conf.store.spectra != "none" and sky.truth is None:
        raise ConfigError(
            f"store.spectra = {conf.store.spectra!r}: spectra are of residuals, and without the "
            "true CMB there are none; give it by sky.truth=..., or leave store.spectra at none"
        )


def _not_finite(value: Any) -> str | None:
    numbers = value if isinstance(value, list) else [value]
    bad = any(isinstance(number, float) and not isfinite(number) for number in numbers)
    return "must be finite" if bad else None


def settings(conf: Any, prefix: str = "") -> Iterator[tuple[str, Any, Mapping]]:
    """Every leaf of nested configuration dataclasses as (dotted key, value, metadata)."""
    for name, metadata in _items(type(conf)):
        key, value = f"{prefix}{name}", getattr(conf, name)
        if is_dataclass(value):
            yield from settings(value, f"{key}.")
        else:
            yield key, value, metadata


@cache  # a launch asks for every point of its grid
def _items(group: type) -> tuple[tuple[str, Mapping], ...]:
    return tuple((item.name, item.metadata) for item in fields(group))


def names_files(metadata: Mapping) -> bool:
    """Whether a setting is a path that names a file for every realisation."""
    return metadata.get("by_realisation", False)


def can_be_absent(metadata: Mapping) -> bool:
    """Whether there are experiments from before there was such a setting."""
    return metadata.get("absent", _ALWAYS) is not _ALWAYS


def is_absent(value: Any, metadata: Mapping) -> bool:
    """Whether a setting has the value of experiments from before there was such a setting."""
    return can_be_absent(metadata) and value == metadata["absent"]


def flatten(conf: Any) -> dict[str, Any]:
    """A configuration as {dotted key: value}, in the order of its dataclasses."""
    return {key: value for key, value, _ in settings(conf)}
