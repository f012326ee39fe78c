"""Settings of the plugins. Imported at every start of Hydra, so nothing heavy here."""

from dataclasses import dataclass, field, make_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from sweep.engines.settings import ENGINES, SWEEPERS

_PLUGINS = "hydra_plugins.sweep_launchers"


@dataclass
class GridSweeperConf:
    """Which points the swept values make.

    Attributes:
        params: swept values of a named study, {key: "1,2,3"}; the command line's win.
        mode: product is every combination; one_at_a_time is the point of all first values, and
            those that differ from it in the value of one key.
        zip: list of groups of keys that advance together, as one.
        exclude: list of patterns {key: value or list of values}; a point that matches all keys of
            one is left out.
        max_points: a grid with more, before any is left out, is refused.
    """

    _target_: str = f"{_PLUGINS}.grid.GridSweeper"
    _convert_: str = "all"
    params: dict[str, Any] | None = field(default_factory=dict)
    mode: str = "product"
    zip: Any = None
    exclude: Any = None
    max_points: int = 1_000_000


@dataclass
class RaceSweeperConf(GridSweeperConf):
    """The same points, in rounds: more realisations for those that may still be the best.

    Attributes:
        metric: what is lowest of the best, as of `sweep-store best --metric`.
        first: realisations of the first round; noise.realisations are those of the last.
        growth: realisations of a round over those of the one before.
        lost: chance, at most, that the best of a comparison group leaves by chance.
        enough: a race ends where all that are left differ by less than this share.
        sigma: and where the leader is ahead of them by so many errors of the difference; null
            leaves that to `lost`.
        fits: and before a round that would take it above so many fits; null is no bound.
        device_hours: the same of the time that fits take.
        zones: the metric, one of spectra, is that of all masks together, and the experiments of
            one are compared beside the best of the others.
    """

    _target_: str = f"{_PLUGINS}.race.RaceSweeper"
    metric: str = "cmb_variance"
    first: int = 5
    growth: float = 2.0
    lost: float = 0.05
    enough: float = 0.0
    sigma: float | None = None
    fits: int | None = None
    device_hours: float | None = None
    zones: bool = False


@dataclass
class RefineSweeperConf(RaceSweeperConf):
    """A race that visits some of the points: far apart first, then closer around the best.

    Attributes:
        coarse: values of every key with numbers that are visited at first, evenly among those that
            are given; of the others all.
        walks: from so many of the best of these; one finds a valley, but not which is the deepest.
    """

    _target_: str = f"{_PLUGINS}.race.RefineSweeper"
    coarse: int = 4
    walks: int = 8


_TARGET = ("_target_", str, field(default=f"{_PLUGINS}.launcher.SweepLauncher"))
for _name, _settings in ENGINES.items():
    ConfigStore.instance().store(
        group="hydra/launcher",
        name=_name,
        node=make_dataclass(f"{_settings.__name__}OfLauncher", [_TARGET], bases=(_settings,)),
        provider="skysweep",
    )
_CONFS = (GridSweeperConf, RaceSweeperConf, RefineSweeperConf)
for _name, _settings in zip(SWEEPERS, _CONFS, strict=True):
    ConfigStore.instance().store(
        group="hydra/sweeper", name=_name, node=_settings, provider="skysweep"
    )
