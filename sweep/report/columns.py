"""Columns of the page: settings, and numbers with their units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.errors import ConfigError
from sweep.report.details import Lacks, Look
from sweep.statistics.contexts import Context
from sweep.statistics.front import front
from sweep.statistics.summary import METRICS, telling
from sweep.types import Status

_ABOUT = {
    "realisations": "noise realisations that are recorded",
    "usable": "recorded fits that statistics use, of the noise realisations",
    "unusable": "recorded fits that no statistics use: nonfinite or outside_box",
    "certified": "share of the usable fits in which no scan of a single cluster goes lower",
    "cmb_variance_variance": "variance of cmb_variance over realisations",
    "systematic": "var Q + var U of recovered minus true CMB without noise",
    "statistical": "what noise adds to it on average",
    "on_front": "1: none of the same mask is lower in one of the two and not higher in the other",
    "r": "tensor-to-scalar ratio that lensing and the residuals would be taken for",
    "r_upper_68": "68 % of the likelihood above the most likely r is below",
    "r_upper_95": "95 % of the likelihood above the most likely r is below",
    "bias": "|r|",
}

_UNITS = {"cmb_variance_variance": "uK^4", "systematic": "uK^2", "statistical": "uK^2"}


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
        if name in names:
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


def add_ratios(table: pd.DataFrame, looks: Sequence[Look]) -> None:
    """Add what is known of r."""
    ratios = [one.ratio for one in looks]
    names = ("r", "minus", "plus", "upper_68", "upper_95")
    if not any(ratios):
        return
    for name in names:
        column = name if name == "r" else f"r_{name}"
        table[column] = [np.nan if r is None else getattr(r, name) for r in ratios]
    table["bias"] = table["r"].abs()


def add_front(
    table: pd.DataFrame, ds: xr.Dataset, contexts: Sequence[Context], lacks: Lacks
) -> None:
    """Add both parts of the residual, and what is on the front of its context."""
    names = ("systematic", "statistical", "statistical_error", "on_front")
    columns = {name: np.full(len(table), np.nan) for name in names}
    for members in (context.members for context in contexts):
        try:
            part = front(ds.isel(experiment=members))
        except ConfigError as error:
            for _ in members:
                lacks.note("front", "Systematic against statistical residual", error)
            continue
        order = {label: i for i, label in zip(members, table.index[members], strict=True)}
        rows = [order[label] for label in part.index]
        for name, values in columns.items():
            values[rows] = part[name].to_numpy(float)
    if np.isfinite(columns["systematic"]).any():
        for name, values in columns.items():
            table[name] = values
