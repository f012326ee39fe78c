"""The best experiment of every zone, and what all zones together say of r."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.residuals import Residuals, read_residuals, reason
from sweep.statistics.selection import difference_error, metric_of, ratio_error, templates_of
from sweep.statistics.summary import OF_SPECTRA, summary
from sweep.statistics.tensor_ratio import TensorRatio, tensor_ratio
from sweep.statistics.zones import check_disjoint, check_shared, combine

_ROUNDS = 20


@dataclass(frozen=True)
class Combination:
    """One experiment a zone, and their sky.

    Attributes:
        zones: mask expressions.
        experiments: positions in the dataset, one a zone.
        residuals: of all zones together.
        ratio: their r.
        error: of the metric, by a bootstrap over realisations.
    """

    zones: tuple[str, ...]
    experiments: tuple[int, ...]
    residuals: Residuals
    ratio: TensorRatio
    error: float


@dataclass(frozen=True)
class Selection:
    """What a search of all zones found.

    Attributes:
        metric: what was minimised.
        best: the combination with the lowest metric.
        alone: the experiments that are best in their zones each by itself, together.
        behind: by how much `alone` is behind `best`.
        behind_error: of that, from the same realisations.
        tried: experiments of every zone that have what the metric needs.
        left_out: how many do not, by reason.
    """

    metric: str
    best: Combination
    alone: Combination
    behind: float
    behind_error: float
    tried: dict[str, int]
    left_out: dict[str, int]

    @property
    def value(self) -> float:
        """The metric of `best`."""
        return metric_of(self.best.ratio, self.metric)

    def table(self, ds: xr.Dataset) -> pd.DataFrame:
        """`summary` of the experiments of `best`, a row a zone, with how many were tried.

        Further columns: `alone`, the label of the experiment that is best in its zone by itself;
        and of all zones together, in every row, `r`, `r_minus`, `r_plus`, `r_upper_68`,
        `r_upper_95` and the error of the metric.
        """
        table = summary(ds)
        labels = table.index[list(self.alone.experiments)]
        table = table.iloc[list(self.best.experiments)].copy()
        table["tried"] = [self.tried[zone] for zone in self.best.zones]
        table["alone"] = labels
        ratio = self.best.ratio
        table["r"] = ratio.r
        for name in ("minus", "plus", "upper_68", "upper_95"):
            table[f"r_{name}"] = getattr(ratio, name)
        table["bias"] = abs(ratio.r)
        table[f"{self.metric}_error"] = self.best.error
        return table


def best_of_zones(
    ds: xr.Dataset,
    zones: Sequence[str] = (),
    metric: str = "r_upper_68",
    done: Callable[[], None] = lambda: None,
) -> Selection:
    """Choose one experiment a zone so that the whole sky has the lowest metric.

    The search goes from zone to zone and takes the experiment that is best beside those of the
    other zones, until none changes, from the experiments that are best by themselves.

    Args:
        ds: what `sweep.open` returns.
        zones: mask expressions, disjoint; all of the store by default.
        metric: one of `OF_SPECTRA`.
        done: called after each experiment that was looked at.

    Raises:
        ConfigError: unknown metric or zone, masks overlap, or a zone has no experiment with the
            spectra of its residuals.
    """
    if metric not in OF_SPECTRA:
        raise ConfigError(f"zones: choose a metric from {', '.join(OF_SPECTRA)}, got {metric!r}")
    masks = np.asarray(ds["mask.expression"].values)
    known = list(dict.fromkeys(masks.tolist()))
    zones = tuple(zones) or tuple(known)
    for zone in zones:
        if zone not in known:
            raise ConfigError(f"no experiment has mask {zone!r}; choose from {', '.join(known)}")
    members = {zone: np.flatnonzero(masks == zone).tolist() for zone in zones}
    check_shared(ds, [e for zone in zones for e in members[zone]])
    check_disjoint(ds, [members[zone][0] for zone in zones])
    left_out: Counter[str] = Counter()
    candidates = {z: _candidates(ds, members[z], z, left_out, done) for z in zones}

    def value(chosen: dict[str, int]) -> float:
        return metric_of(_ratio(_together(candidates, chosen)), metric)

    alone = {
        zone: min(found, key=lambda e, z=zone: value({z: e})) for zone, found in candidates.items()
    }
    chosen = dict(alone)
    for _ in range(_ROUNDS):
        before = dict(chosen)
        for zone, found in candidates.items():
            chosen[zone] = min(found, key=lambda e, z=zone: value(chosen | {z: e}))
        if chosen == before:
            break
    best, separate = (_combination(candidates, c, metric) for c in (chosen, alone))
    return Selection(
        metric=metric,
        best=best,
        alone=separate,
        behind=metric_of(separate.ratio, metric) - metric_of(best.ratio, metric),
        behind_error=difference_error(separate.residuals, best.residuals, metric),
        tried={zone: len(found) for zone, found in candidates.items()},
        left_out=dict(left_out),
    )


def _candidates(
    ds: xr.Dataset,
    members: Sequence[int],
    zone: str,
    left_out: Counter[str],
    done: Callable[[], None],
) -> dict[int, Residuals]:
    found, why = {}, ""
    for experiment in members:
        try:
            residuals = read_residuals(ds, experiment)
            residuals.spectra()  # needs two realisations, or a noise-free fit
            found[experiment] = residuals
        except ConfigError as error:
            why = reason(error)
            left_out[why] += 1
        done()
    if not found:
        raise ConfigError(f"zone {zone}: no experiment has the spectra of its residuals: {why}")
    return found


def _together(candidates: dict[str, dict[int, Residuals]], chosen: dict[str, int]) -> Residuals:
    return combine([candidates[zone][experiment] for zone, experiment in chosen.items()])


def _ratio(residuals: Residuals) -> TensorRatio:
    return tensor_ratio(residuals, templates_of(residuals))


def _combination(
    candidates: dict[str, dict[int, Residuals]], chosen: dict[str, int], metric: str
) -> Combination:
    residuals = _together(candidates, chosen)
    return Combination(
        zones=tuple(chosen),
        experiments=tuple(chosen.values()),
        residuals=residuals,
        ratio=_ratio(residuals),
        error=ratio_error(residuals, metric),
    )
