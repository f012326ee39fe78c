"""Settings that every spectral parameter has one of."""

from collections.abc import Callable
from typing import Any

from sweep.config.checks import Check, or_null, setting
from sweep.model import KNOWN, SpectralParameter


def one_a_parameter(kind: Any, field: Callable[[SpectralParameter], Any]) -> Callable[[type], type]:
    """Gives a dataclass a field for every spectral parameter that there is, before its own.

    A field is null where the model has no such parameter, or where its own value is to be taken;
    see `sweep.config.models`.

    Args:
        kind: its type.
        field: makes it.
    """

    def decorate(group: type) -> type:
        own = group.__annotations__
        group.__annotations__ = {name: kind for name in KNOWN} | own
        for name, parameter in KNOWN.items():
            setattr(group, name, field(parameter))
        return group

    return decorate


def count(doc: str, check: Check) -> Callable[[SpectralParameter], Any]:
    """A field for a number of clusters, or what says it."""
    return lambda p: setting(None, doc, or_null(check), absent=None)
