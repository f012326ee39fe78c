"""Columns of the page: settings, and numbers with their units."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.report.details import Lacks, Look
from sweep.statistics.contexts import Context
from sweep.statistics.estimators import ESTIMATORS, Estimator
from sweep.statistics.front import front
from sweep.statistics.summary import METRICS, telling
from sweep.statistics.tensor_ratio import NUMBERS
from sweep.types import Status

_ABOUT = {
    "realisations": "noise realisations that are recorded",
    "usable": "recorded fits that statistics use, of the noise realisations",
    "unusable": "recorded fits that no statistics use: nonfinite or outside_box",
    "certified": "share of the usable fits in which no single cluster can go lower",
    "starts_same": "fits of which all further starts ended in the same minimum",
    "starts_tried": "fits with further starts",
    "suspect": "fits with implausible parameters, or parameters stuck at their box",
    "suspect_of": "fits of which it is known whether they are suspect",
    "suspect_parameters": "parameters that are implausible or stuck at their box",
    "cmb_variance_variance": "variance of cmb_variance over realisations",
    "systematic": "var Q + var U of what stays of recovered minus true CMB in every realisation, "
    "by the estimator that ranks",
    "systematic_cross": "the same by what different realisations have in common",
    "systematic_noise_free": "the same by the fit without noise",
    "statistical": "what each realisation has more on average",
    "on_front": "1: none of the same mask is lower in one of the two and not higher in the other",
    "r": "tensor-to-scalar ratio that lensing and the residuals would be taken for",
    "r_upper_68": "r + sigma of the upper side: no limit at 68 %",
    "r_upper_95": "95 % of the likelihood above the most likely r is below",
    "r_limit_95": "one-sided 95 % limit with a flat prior on r >= 0",
    "bias": "|r|",
}

_UNITS = {
    "cmb_variance_variance": "uK^4",
    **{n: "uK^2" for n in ("systematic", "statistical", *(f"systematic_{e}" for e in ESTIMATORS))},
}


def settings_columns(table: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Settings as codes into their distinct values, those that tell experiments apart first."""
    telling_ones = telling(table, list(names))
    ordered = [*telling_ones, *(n for n in names if n not in telling_ones)]
    found = []
    for name in ordered:
        codes, values = pd.factorize(table[name], use_na_sentinel=False)
        found.append(
            {
                "name": name,
                "telling": name in telling_ones,
                "values": values.tolist(),
                "codes": codes,
            }
        )
    return found


def metrics(table: Any) -> list[str]:
    """Numbers that charts can show; lower is better."""
    more = ("systematic", "statistical", "seconds", "iterations", "evaluations")
    return [n for n in (*METRICS, *more) if n in table and table[n].notna().any()]


def number_columns(
    table: pd.DataFrame, names: Sequence[str], ds: xr.Dataset
) -> list[dict[str, Any]]:
    """Every number of the table with its unit; errors and intervals name what they are `of`."""
    columns = []
    for name in table.columns:
        if name in names or not pd.api.types.is_numeric_dtype(table[name]):
            continue
        of = "r" if name in ("r_minus", "r_plus") else None
        if name.endswith("_error"):
            of = name.removesuffix("_error")
        source = of or name
        attributes = ds[source].attrs if source in ds else {}
        columns.append(
            {
                "name": name,
                "unit": _UNITS.get(source, attributes.get("units", "1")),
                "about": _ABOUT.get(name, attributes.get("long_name", _counted(name))),
                "of": of,
                "values": table[name].to_numpy(),
            }
        )
    return columns


def _counted(name: str) -> str:
    return f"fits that ended {name}" if name.upper() in Status.__members__ else name


def add_ratios(table: pd.DataFrame, looks: Sequence[Look], estimators: Sequence[Estimator]) -> None:
    """Add what is known of r, by the estimator of each experiment, and some of it by either."""
    if not any(one.ratios for one in looks):
        return
    for name in NUMBERS:
        column = name if name == "r" else f"r_{name}"
        found = [one.ratios.get(e) for one, e in zip(looks, estimators, strict=True)]
        table[column] = [np.nan if r is None else getattr(r, name) for r in found]
    table["bias"] = table["r"].abs()
    for estimator in ESTIMATORS:
        known = [one.ratios.get(estimator) for one in looks]
        for name in ("r", "limit_95") if any(known) else ():
            column = f"r_{estimator}" if name == "r" else f"r_{name}_{estimator}"
            table[column] = [np.nan if r is None else getattr(r, name) for r in known]


def add_front(
    table: pd.DataFrame,
    ds: xr.Dataset,
    contexts: Sequence[Context],
    lacks: Lacks,
    looked: Callable[[], None],
) -> None:
    """Add both parts of the residual, and what is on the front of its context."""
    names = ("systematic", "systematic_error", "statistical", "statistical_error", "on_front")
    names += tuple(f"systematic_{e}" for e in ESTIMATORS)
    columns = {name: np.full(len(table), np.nan) for name in names}
    for members in (context.members for context in contexts):
        try:
            part = front(ds.isel(experiment=members), looked)
        except ConfigError as error:
            lacks.note("front", "Systematic against statistical residual", error, len(members))
            continue
        for why, count in part.attrs["left_out"].items():
            what = "Systematic against statistical residual"
            lacks.note("front", what, ConfigError(why), count)
        order = {label: i for i, label in zip(members, table.index[members], strict=True)}
        rows = [order[label] for label in part.index]
        for name, values in columns.items():
            values[rows] = part[name].to_numpy(float)
    for name, values in columns.items():
        if np.isfinite(values).any():
            table[name] = values
