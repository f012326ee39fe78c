"""Metrics of all experiments, as pictures show them."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.plots.names import COUNTS, with_unit
from sweep.quantities.table import COLUMNS, OF_SPECTRA
from sweep.statistics.dataset import is_usable, labels_of, noise_free
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.rankings import templates_of
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best
from sweep.statistics.summary import settings, summary
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.types import Status

MASK = "mask.expression"

_DATA = ("sky", "instrument", "mask", "noise", "parameters", "fit")
"""Groups of settings that change the data, so that likelihoods cannot be compared."""

_MOST_MASKS = 4
"""Panels of their own for so many masks."""


def metric_table(ds: xr.Dataset, metric: str) -> Any:
    """Every experiment that has a metric, with what to draw of it.

    Args:
        ds: what `sweep.open` returns.
        metric: one of `METRICS`.

    Returns:
        `summary` of them with `value`, and `low` and `high`, the lengths of its error bar: the
        standard error, of r the 68 % interval. NLL is that above the lowest of the experiments
        with the same data, with the error of the difference. `unconverged` is true where a fit
        that the metric is made from did not meet the tolerance of its solver.

    Raises:
        ConfigError: no experiment has what the metric needs.
    """
    table = _metric_table(ds, metric)
    return table.assign(unconverged=unconverged(table, ds if metric in OF_SPECTRA else None))


def unconverged(table: Any, noiseless: xr.Dataset | None = None) -> np.ndarray:
    """Which experiments have usable fits that did not meet the tolerance of their solver.

    Args:
        table: their `summary`.
        noiseless: what it was made from, where the fit without noise counts too.

    Returns:
        bool, a value a row.
    """
    found = (table["usable"] != table.get("converged", 0)).to_numpy()
    if noiseless is not None:
        slot = noise_free(noiseless, "status", Status.PENDING)
        stopped = is_usable(slot) & (slot != Status.CONVERGED)
        found = found | np.isin(table.index, np.array(labels_of(noiseless))[stopped])
    return found


def fits_that_stopped(experiment: ExperimentView, realisation: int | None = None) -> str:
    """Of usable fits of an experiment, or of one, what a title says if some did not converge."""
    numbers = experiment.realisations
    if realisation is not None:
        numbers = numbers[numbers == realisation]
    usable = experiment.stored["status"].sel(realisation=numbers).values
    early = int(np.count_nonzero(usable != Status.CONVERGED))
    if not early:
        return ""
    several = f"{early} of {usable.size} fits not converged"
    return several if realisation is None else "not converged"


def _metric_table(ds: xr.Dataset, metric: str) -> Any:
    if metric == "r":
        return _ratios(ds)
    if metric != "nll":
        table = _best(ds, metric)
        error = table[f"{metric}_error"]
        table = table.assign(value=table[metric], low=error, high=error)
        return as_published(table, ds)
    keys = [key for key in settings(ds) if key.split(".")[0] in _DATA]
    data = pd.DataFrame({key: ds[key].values for key in keys})
    parts: list[Any] = []
    for _, group in data.groupby(keys, sort=False, dropna=False):
        table = _best(ds.isel(experiment=group.index.to_numpy()), "nll")
        error = table["delta_to_best_error"]
        parts.append(table.assign(value=table["delta_to_best"], low=error, high=error))
    return as_published(pd.concat(parts), ds)


def _best(ds: xr.Dataset, metric: str) -> Any:
    try:
        return best(ds, metric, converged=0)
    except ConfigError as error:
        raise ConfigError(f"{error}: nothing to plot") from error


def as_published(table: Any, ds: xr.Dataset) -> Any:
    """Rows in the order of the dataset, so that colours do not depend on who is best."""
    place = {label: i for i, label in enumerate(labels_of(ds))}
    return table.loc[sorted(table.index, key=lambda label: place[label])]


def _ratios(ds: xr.Dataset) -> Any:
    """Only r and its interval: the bootstrap of `best` is long, and not shown.

    All are by one estimator: the usual one, but another where only that has all.
    """
    table: Any = summary(ds)
    found: dict[Estimator, np.ndarray] = {
        estimator: np.full((len(table), 3), np.nan) for estimator in ESTIMATORS
    }
    reason = ""
    for i in range(len(table)):
        try:
            residuals = read_residuals(ExperimentView(ds, i))
        except ConfigError as error:
            reason = str(error)
            continue
        for estimator, values in found.items():
            try:
                ratio = tensor_ratio(residuals, templates_of(residuals), estimator)
                values[i] = ratio.r, ratio.minus, ratio.plus
            except ConfigError as error:
                reason = reason or str(error)
    known = {e: np.isfinite(values[:, 0]) for e, values in found.items()}
    some = np.any(list(known.values()), axis=0)
    fitting: list[Estimator] = [e for e in ESTIMATORS if (known[e] == some).all()]
    chosen = fitting[0] if fitting else ESTIMATORS[0]
    table[["value", "low", "high"]] = found[chosen]
    table["estimator"] = chosen
    table = table[table["value"].notna()]
    if table.empty:
        raise ConfigError(f"{reason}: nothing to plot")
    return table


def label_of(metric: str, table: Any) -> str:
    """What an axis calls a metric, with the estimator where it has one."""
    row = COLUMNS[metric]
    label = with_unit(row.label, row.unit)
    if "estimator" not in table:
        return label
    return f"{label}, {' and '.join(NAMES[e] for e in sorted(set(table['estimator'])))}"


def counts_of(table: Any) -> list[str]:
    """Cluster counts that some experiment has."""
    counts = [key for key in COUNTS if key in table and table[key].notna().any()]
    if not counts:
        raise ConfigError("clusters from files have no counts to plot against")
    return counts


def by_mask(table: Any) -> dict[str, Any]:
    """Parts of one mask each; the whole, under no name, if there is one mask or too many."""
    masks = list(table.groupby(MASK, sort=True))
    if 1 < len(masks) <= _MOST_MASKS:
        return {f"mask {mask}": part for mask, part in masks}
    return {"": table}
