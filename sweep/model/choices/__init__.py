"""Models by name: a module each, whose `model` makes one about a `Pivot`.

A module put here is a choice of `model=`, once conf/model has a YAML of its name.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from sweep.model.parameter import SpectralParameter
from sweep.model.pivot import Pivot
from sweep.model.sky_model import SkyModel

DEFAULT = "standard"

_names = sorted((found.name for found in iter_modules(__path__)), key=lambda n: (n != DEFAULT, n))
_modules = {name: import_module(f"{__name__}.{name}") for name in _names}

MODELS: dict[str, Callable[[Pivot], SkyModel]] = {n: m.model for n, m in _modules.items()}
"""The default model first."""

ABOUT = {name: (_modules[name].__doc__ or "").strip().splitlines()[0] for name in MODELS}
"""What each is, in a line."""

FITTED: dict[str, tuple[SpectralParameter, ...]] = {}
"""The parameters that each model fits."""

SET: dict[str, tuple[SpectralParameter, ...]] = {}
"""The parameters that each model has settings of: those fitted, and those expanded about."""

KNOWN: dict[str, SpectralParameter] = {}
"""All spectral parameters, by name, in the order of their numbers."""


def _register(name: str) -> None:
    made = MODELS[name](Pivot(dust_nu0=150.0, synchrotron_nu0=20.0, start={}))
    FITTED[name] = made.parameters
    SET[name] = (*made.parameters, *made.expanded_about)
    for parameter in SET[name]:
        own = {parameter.name, parameter.number}
        like = [p for p in KNOWN.values() if own & {p.name, p.number}]
        if like not in ([], [parameter]) or not 0 <= parameter.number <= 6:
            raise ValueError(
                f"model {name}: `{parameter.name}` needs a name and a number from 0 to 6 of its own"
            )
        KNOWN[parameter.name] = parameter


for _name in MODELS:
    _register(_name)
KNOWN = dict(sorted(KNOWN.items(), key=lambda item: item[1].number))
