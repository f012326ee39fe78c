"""Tables for the terminal; everything in them, and more, is in `sweep-store summary --json`."""

import json
import math
import sys
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.statistics.summary import STATISTICS, telling

_SHOWN = ("cmb_variance", "cmb_variance_variance", "nll", "iterations", "seconds")

_HEADINGS = {
    "cmb_variance": "cmb_variance ± error\nuK^2",
    "residual_variance": "residual_variance ± error\nuK^2",
    "systematic": "systematic\nuK^2",
    "statistical": "statistical ± error\nuK^2",
    "alone": "best\nalone",
    "on_front": "on the\nfront",
    "behind": "behind\nthe first",
    "significance": "in its\nerrors",
    "seconds": "seconds\na fit",
    "cmb_variance_variance": "its variance ± error\nuK^4",
    "realisations": "reali-\nsations",
    "iterations": "itera-\ntions",
}

WIDE = 120
"""Terminals below this many columns get a short table."""

WIDTH = 160
"""Where the output is no terminal: tables in a log or a pipe are not cut to 80 columns."""


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or `WIDTH`."""
    plain = Console(stderr=stderr)
    return plain if plain.is_terminal else Console(stderr=stderr, width=WIDTH)


def write_json(table: Any) -> None:
    """A table (pandas) as a list of objects; what is not known is null."""
    plain = table.reset_index().astype(object)
    rows = plain.where(plain.notna(), None).to_dict(orient="records")
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


def say(line: str) -> None:
    """A line as it is: paths and messages may hold brackets, and are not to be broken."""
    console().print(line, markup=False, highlight=False, soft_wrap=True)


def ranking_table(table: Any, metric: str, title: str) -> Table:
    """What `best` found, as a rich table."""
    figures = (metric, *([] if metric == "r" else ["r"]), "behind", "significance")
    return _table(table, title, ("usable",), tuple(f for f in figures if f in table))


def zones_table(table: Any, found: Any, title: str) -> Table:
    """What `best_of_zones` found, as a rich table; `table` is its `table`."""
    shown = _table(table, title, ("tried", "usable"), ("residual_variance", "alone"))
    ratio, metric = found.best.ratio, found.metric
    lines = [
        f"together, f_sky {found.best.residuals.sky_fraction:.3f}: "
        f"r = {ratio.r:.3e} +{ratio.plus:.1e} -{ratio.minus:.1e}, "
        f"below {ratio.upper_68:.3e} (68 %), {ratio.upper_95:.3e} (95 %)",
        f"{metric} {with_error(found.value, found.best.error)} from realisations; "
        f"the best of each zone alone are behind by {with_error(found.behind, found.behind_error)}",
        shown.caption.plain if isinstance(shown.caption, Text) else "",
    ]
    shown.caption = Text("\n".join(line for line in lines if line))
    return shown


def front_table(table: Any, title: str) -> Table:
    """What `front` found, as a rich table."""
    figures = ("systematic", "statistical", "residual_variance", "cmb_variance", "on_front")
    return _table(table, title, ("usable",), figures)


def summary_table(table: Any, title: str, width: int) -> Table:
    """A summary (pandas) as a rich table; settings that do not differ stand below it.

    A narrow terminal gets fewer columns rather than cut ones.
    """
    counts = tuple(c for c in STATISTICS if c in table and c not in (*_SHOWN, *_HIDDEN))
    return _table(table, title, counts, _SHOWN if width >= WIDE else _SHOWN[:1])


def _table(table: Any, title: str, counts: tuple[str, ...], figures: tuple[str, ...]) -> Table:
    settings = [c for c in table.columns if c not in STATISTICS]
    same = [c for c in settings if table[c].nunique(dropna=False) == 1 and table[c].notna().all()]
    varying = telling(table, settings)
    counts = tuple(c for c in counts if table[c].notna().any())
    columns = [*varying, *counts, *figures]

    shown = Table(
        title=Text(title, overflow="fold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    shown.add_column("experiment", no_wrap=True)
    for column in columns:
        numeric = pd.api.types.is_numeric_dtype(table[column])
        heading = str(_HEADINGS.get(column, column.replace(".", "\n").replace("_", " ")))
        shown.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for key, row in table.iterrows():
        shown.add_row(str(key), *(_cell(row, c) for c in columns))
    if same:
        shown.caption = Text("all: " + ", ".join(f"{c}={_plain(table[c].iloc[0])}" for c in same))
        shown.caption_justify = "left"
    return shown


_HIDDEN = (
    "usable",
    "gradient_norm",
    "evaluations",
    "cmb_variance_error",
    "cmb_variance_variance_error",
    "residual_variance",
    "residual_variance_error",
)


def _cell(row: Any, column: str) -> str:
    error = row.get(f"{column}_error", math.nan)
    if not math.isnan(error):
        return with_error(row[column], error)
    if column == "r":
        return f"{row['r']:.2e} +{row['r_plus']:.1e} -{row['r_minus']:.1e}"
    if column in ("cmb_variance", "nll") and not math.isnan(row[column]):
        return f"{row[column]:.6g}" if abs(row[column]) < 1e3 else f"{row[column]:.3f}"
    if column == "certified" and not math.isnan(row[column]):
        return f"{math.floor(100 * row[column] + 1e-6)} %"  # 100 % only where it is all of them
    return _plain(row[column])


def with_error(value: float, error: float) -> str:
    """A value and its standard error, both to two digits of the error."""
    if not error > 0:
        return f"{value:.6g}"
    power = math.floor(math.log10(max(abs(value), error)))
    if not -4 < power < 6:
        return f"({with_error(value / 10.0**power, error / 10.0**power)})e{power:+03d}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)
