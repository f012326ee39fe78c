"""Columns of the page: settings, and numbers as `sweep.quantities` describes them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, Estimator
from sweep.quantities.base import unit_symbol
from sweep.quantities.table import COLUMNS, METRICS
from sweep.report.details import MissingProducts, SpectralProducts
from sweep.statistics.comparison_groups import ComparisonGroup
from sweep.statistics.front import front
from sweep.statistics.summary import varying
from sweep.statistics.tensor_ratio import NUMBERS


def settings_columns(table: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Settings as codes into their distinct values, those that tell experiments apart first."""
    differing = varying(table, list(names))
    ordered = [*differing, *(n for n in names if n not in differing)]
    found = []
    for name in ordered:
        codes, values = pd.factorize(table[name], use_na_sentinel=False)
        found.append(
            {
                "name": name,
                "varying": name in differing,
                "values": values.tolist(),
                "codes": codes,
            }
        )
    return found


def places(table: Any) -> dict[str, list[str]]:
    """Names of the numbers that the page's table, panel and charts show, in their order."""
    present = [q for q in COLUMNS.values() if q.name in table]
    charts = (*METRICS, *(q.name for q in present if "charts" in q.shown))
    return {
        "shown": [
            q.name
            for q in present
            if "page" in q.shown and (q.format != "warning" or (table[q.name] > 0).any())
        ],
        "panel": [q.name for q in present if "panel" in q.shown],
        "metrics": [n for n in charts if n in table and table[n].notna().any()],
    }


def number_columns(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Every number of the table; errors and intervals name what they are `of`."""
    settings = table.attrs["settings"]
    names = [n for n in table.columns if n not in settings]
    numbers = [n for n in names if pd.api.types.is_numeric_dtype(table[n])]
    return [described(name) | {"values": table[name].to_numpy()} for name in numbers]


def described(name: str) -> dict[str, Any]:
    """What the page is told of a number beside its values."""
    of = next((name.removesuffix(s) for s in _BESIDE if name.endswith(s)), None)
    row = COLUMNS[of or name]
    return {
        "name": name,
        "title": row.title,
        "unit": unit_symbol(row.unit),
        "about": row.about,
        "format": row.format,
        "total": row.total,
        "of": of,
    }


_BESIDE = ("_error", "_minus", "_plus")


def add_ratios(
    table: pd.DataFrame, products: Sequence[SpectralProducts], estimators: Sequence[Estimator]
) -> None:
    """Add what is known of r, by the estimator of each experiment, and some of it by either."""
    if not any(one.ratios for one in products):
        return
    for name in NUMBERS:
        column = name if name == "r" else f"r_{name}"
        found = [one.ratios.get(e) for one, e in zip(products, estimators, strict=True)]
        table[column] = [np.nan if r is None else getattr(r, name) for r in found]
    table["bias"] = table["r"].abs()
    for estimator in ESTIMATORS:
        known = [one.ratios.get(estimator) for one in products]
        for name in ("r", "limit_95") if any(known) else ():
            column = f"r_{estimator}" if name == "r" else f"r_{name}_{estimator}"
            table[column] = [np.nan if r is None else getattr(r, name) for r in known]


def add_front(
    table: pd.DataFrame,
    ds: xr.Dataset,
    groups: Sequence[ComparisonGroup],
    missing: MissingProducts,
    looked: Callable[[], None],
) -> None:
    """Add both parts of the residual, and what is on the front of its group."""
    names = ("systematic", "systematic_error", "statistical", "statistical_error", "on_front")
    names += tuple(f"systematic_{e}" for e in ESTIMATORS)
    columns = {name: np.full(len(table), np.nan) for name in names}
    what = "Systematic against statistical residual"
    for members in (group.members for group in groups):
        try:
            part = front(ds.isel(experiment=members), looked)
        except ConfigError as error:
            missing.note("front", what, error.reason, len(members))
            continue
        for why, count in part.attrs["left_out"].items():
            missing.note("front", what, why, count)
        order = {label: i for i, label in zip(members, table.index[members], strict=True)}
        rows = [order[label] for label in part.index]
        for name, values in columns.items():
            values[rows] = part[name].to_numpy(float)
    for name, values in columns.items():
        if np.isfinite(values).any():
            table[name] = values
