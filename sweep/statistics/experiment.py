"""One experiment of a store: its label, its configuration, and what is stored of its fits."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property, lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import xarray as xr

from sweep.config.compose import compose
from sweep.config.restore import restore
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError, MissingError
from sweep.grid import identity
from sweep.model import DEFAULT, FITTED, SpectralParameter
from sweep.statistics.dataset import is_usable, label_of, labels_of
from sweep.store import NOISELESS, ExperimentEntry, Store

P = ParamSpec("P")
R = TypeVar("R")

_NAMED = 5


@dataclass(frozen=True, eq=False)
class ExperimentView:
    """An experiment as statistics, pictures and the report see it.

    Attributes:
        ds: what `sweep.open` returns.
        position: of the experiment in `ds`.
    """

    ds: xr.Dataset
    position: int

    @classmethod
    def labelled(cls, ds: xr.Dataset, label: str) -> "ExperimentView":
        """The experiment with this label, or any unambiguous beginning of its identity.

        Raises:
            ConfigError: no experiment, or more than one, begins so.
        """
        identities, labels = [str(v) for v in ds["identity"].values], labels_of(ds)
        fitting = [i for i, v in enumerate(identities) if label and v.startswith(label.lower())]
        if len(fitting) == 1:
            return cls(ds, fitting[0])
        if fitting:
            some = ", ".join(labels[i] for i in fitting[:_NAMED])
            raise ConfigError(
                f"experiment {label}: {len(fitting)} labels begin so, among them {some}: "
                "give more characters"
            )
        close = get_close_matches(label.lower(), labels, _NAMED, cutoff=0.5) or labels[:_NAMED]
        raise ConfigError(
            f"experiment {label!r}: not in the store; close to it are {', '.join(close)}; "
            "sweep-store summary lists all"
        )

    @cached_property
    def stored(self) -> xr.Dataset:
        """What the store has of it, all realisations."""
        return self.ds.isel(experiment=self.position)

    @property
    def identity(self) -> str:
        """See `sweep.grid.identity`."""
        return str(self.ds["identity"].values[self.position])

    @property
    def label(self) -> str:
        """What tables and messages call it."""
        return label_of(self.identity)

    @cached_property
    def realisations(self) -> np.ndarray:
        """Numbers of its usable fits, the noise-free one among them, in the order of the store."""
        return self.ds["realisation"].values[is_usable(self.stored["status"].values)]

    @property
    def noisy(self) -> np.ndarray:
        """Numbers of its usable fits with noise."""
        return self.realisations[self.realisations != NOISELESS]

    @property
    def has_noiseless(self) -> bool:
        """Whether its noise-free fit is usable."""
        return NOISELESS in self.realisations

    @cached_property
    def parameters(self) -> tuple[SpectralParameter, ...]:
        """Those that its model fits, in its order.

        Raises:
            ConfigError: this version does not have its model.
        """
        if "model" in self.ds.coords:
            name = str(self.ds["model"].values[self.position]) or DEFAULT
        else:
            name = json.loads(self.ds.attrs["base"]).get("model.name", DEFAULT)
        if name not in FITTED:
            raise ConfigError(f"experiment {self.label}: this version has no model={name}")
        return FITTED[name]

    @property
    def configuration(self) -> SweepConf:
        """What gives the same experiment again.

        Raises:
            ConfigError: a file that it was made from is gone or has changed.
            StoreError: the store is gone.
        """
        return _configuration(self.ds.attrs["path"], self.identity)

    def setting(self, key: str) -> Any:
        """What the store keeps of a setting; None where it keeps nothing."""
        if key not in self.stored.coords:
            return json.loads(self.ds.attrs["base"]).get(key)
        value = self.stored[key].item()
        return value if value == value and value != "" else None

    @property
    def imported_settings(self) -> dict[str, Any] | None:
        """What is known of an experiment of another program; None for one that was fitted here."""
        settings = json.loads(self.ds.attrs["base"])
        for name, coordinate in self.ds.coords.items():
            if coordinate.dims == ("experiment",):
                settings[str(name)] = coordinate.values[self.position]
        if not settings.get("imported.program"):
            return None
        return {key: value for key, value in settings.items() if value == value and value != ""}

    def missing(self, reason: str) -> MissingError:
        """The error that says what it does not have."""
        return MissingError(f"experiment {self.label}", reason)


def by_position(
    function: Callable[Concatenate[ExperimentView, P], R],
) -> Callable[Concatenate[xr.Dataset, int, P], R]:
    """A function of an experiment as one of a dataset and the position of an experiment in it."""

    @wraps(function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def called(ds: xr.Dataset, experiment: int, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(ExperimentView(ds, experiment), *args, **kwargs)

    _, *rest = inspect.signature(function).parameters.values()
    first = list(inspect.signature(called, follow_wrapped=False).parameters.values())[:2]
    called.__signature__ = inspect.Signature([*first, *rest])  # pyright: ignore[reportAttributeAccessIssue]
    return called


@lru_cache(maxsize=256)
def _configuration(path: str, wanted: str) -> SweepConf:
    entries = _entries(path)
    if wanted not in entries:  # the store has grown since
        _entries.cache_clear()
        entries = _entries(path)
    if wanted not in entries:
        raise ConfigError(f"{path} has no experiment {wanted}")
    config = entries[wanted].config
    if (folder := config.get("imported.from")) is not None:
        source = f"imported from {config['imported.program']}: {folder}"
        raise ConfigError(f"experiment {label_of(wanted)} was {source}; it cannot be made again")
    conf = restore(config, _usual())
    if identity(conf) != wanted:
        raise MissingError(
            f"experiment {label_of(wanted)}",
            f"a file that it was made from has changed since; its settings: {json.dumps(config)}",
        )
    return conf


@lru_cache(maxsize=2)
def _entries(path: str) -> dict[str, ExperimentEntry]:
    segments = Store(path).segments.values()
    return {entry.identity: entry for s in segments for entry in s.spec.experiments}


@cache
def _usual() -> SweepConf:
    return compose([])
