"""The best experiment of every zone, and what all zones together say of r."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.estimators import ESTIMATORS, Estimator
from sweep.statistics.candidates import CONVERGED
from sweep.statistics.halves import halves, quoted, span
from sweep.statistics.rankings import metric_of
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import NUMBERS
from sweep.statistics.zone_search import Combination, zone_search


@dataclass(frozen=True)
class Selection:
    """What a search of all zones found.

    Attributes:
        metric: what was minimised.
        best: the combination with the lowest metric.
        alone: the experiments that are best in their zones each by itself, together.
        delta_to_best: the metric of `alone` minus that of `best`.
        delta_to_best_error: of that, from the same realisations.
        tried: experiments of every zone that have what the metric needs.
        left_out: how many do not, by reason.
        fallback: whether the estimator is not the usual one, see `best_of_zones`.
    """

    metric: str
    best: Combination
    alone: Combination
    delta_to_best: float
    delta_to_best_error: float
    tried: dict[str, int]
    left_out: dict[str, int]
    fallback: bool

    @property
    def value(self) -> float:
        """The metric of `best`."""
        return metric_of(self.best.ratio, self.metric)

    def table(self, ds: xr.Dataset) -> pd.DataFrame:
        """`summary` of the experiments of `best`, a row a zone, with how many were tried.

        Further columns: `alone`, the label of the experiment that is best in its zone by itself;
        and of all zones together, in every row, the `estimator`, `r`, `r_minus`, `r_plus`,
        `r_upper_68`, `r_upper_95`, `r_limit_95`, the error of the metric, and the metric and r by
        each estimator where they are known. `attrs` as of `sweep.statistics.selection.best`.
        """
        table = summary(ds)
        labels = table.index[list(self.alone.experiments)]
        table = table.iloc[list(self.best.experiments)].copy()
        table["tried"] = [self.tried[zone] for zone in self.best.zones]
        table["alone"] = labels
        found = self.best
        for name in NUMBERS:
            table[name if name == "r" else f"r_{name}"] = getattr(found.ratio, name)
        table["bias"] = abs(found.ratio.r)
        table[f"{self.metric}_error"] = found.error
        table["estimator"] = found.estimator
        table["compared"] = len(found.residuals.realisations)
        for each in ESTIMATORS:
            ratio = found.ratio if each == found.estimator else found.other
            for name in dict.fromkeys((self.metric, "r")):
                value = np.nan if ratio is None else metric_of(ratio, name)
                table[f"{name}_{each}"] = value
        fallback = [""] if self.fallback else []
        table.attrs |= {"metric": self.metric, "left_out": self.left_out, "fallback": fallback}
        return table


def best_of_zones(
    ds: xr.Dataset,
    zones: Sequence[str] = (),
    metric: str = "r_upper_68",
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> Selection:
    """Choose one experiment a zone so that the whole sky has the lowest metric.

    The search goes from zone to zone and takes the experiment that is best beside those of the
    other zones, until none changes, from the experiments that are best by themselves. All are
    compared on the realisations that all have, and by one estimator.

    Args:
        ds: what `sweep.open` returns.
        zones: mask expressions, disjoint; all of the store by default.
        metric: one of `OF_SPECTRA`; `r` ranks as `bias`.
        done: called after each experiment that was looked at.
        estimator: of the systematic part. By default the cross estimate; the noise-free one for all
            where that has all of them and the cross one does not.
        converged: share of its recorded fits that must have converged for an experiment to be
            chosen; 0 lets all in.

    Raises:
        ConfigError: unknown metric or zone, masks overlap, or a zone has no experiment with the
            spectra of its residuals.
    """
    metric = "bias" if metric == "r" else metric
    field = zone_search(ds, zones, metric, done, estimator, converged, 1)
    best, alone = field.best(metric, field.on)
    together, separate = (field.combination(c, metric, field.on) for c in (best, alone))
    delta = field.gap(separate, together, metric)
    return Selection(
        metric=metric,
        best=together,
        alone=separate,
        delta_to_best=delta.delta,
        delta_to_best_error=delta.error,
        tried={zone: len(found) for zone, found in field.candidates.items()},
        left_out=dict(field.left_out),
        fallback=field.fallback,
    )


def zones_by_halves(
    ds: xr.Dataset,
    zones: Sequence[str] = (),
    metric: str = "r_upper_68",
    done: Callable[[], None] = lambda: None,
    *,
    estimator: Estimator | None = None,
    converged: float = CONVERGED,
) -> pd.DataFrame:
    """`best_of_zones` by half of the realisations, measured by the other half, both ways.

    Returns:
        A row for each zone and way, `summary` of the experiment that was chosen; the realisations
        that it was `chosen_by`, and the metric of all zones together as they see it,
        `<metric>_choosing`; those that it is `measured_by`, and the metric as they see it, with
        its error; and what is `quoted`. `attrs` as of
        `sweep.statistics.halves.best_by_halves`.

    Raises:
        ConfigError: as `best_of_zones`; or there are too few realisations for two halves.
    """
    metric = "bias" if metric == "r" else metric
    field = zone_search(ds, zones, metric, done, estimator, converged, 2)
    table, parts = summary(ds), halves(field.on)
    rows: list[Any] = []
    values, errors = [], []
    for choosing, measuring in zip(parts, parts[::-1], strict=True):
        best, _ = field.best(metric, choosing)
        seen, measured = (field.combination(best, metric, on) for on in (choosing, measuring))
        values.append(metric_of(measured.ratio, metric))
        errors.append(measured.error)
        rows.append(
            table.iloc[list(best.values())].assign(
                **{
                    "chosen_by": span(choosing),
                    f"{metric}_choosing": metric_of(seen.ratio, metric),
                    "measured_by": span(measuring),
                    metric: values[-1],
                    f"{metric}_error": errors[-1],
                    "estimator": field.estimator,
                    "compared": len(measuring),
                }
            )
        )
    found = quoted(pd.concat(rows), values, errors)
    found.attrs |= field.attributes(metric)
    return found
