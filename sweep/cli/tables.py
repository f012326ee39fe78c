"""Tables for the terminal; everything in them, and more, is in `sweep-store summary --json`.

Commands that have no table do not import pandas.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from sweep.errors import ConfigError
from sweep.quantities.table import COLUMNS

WIDTH = 1000
"""Where the output is no terminal: tables in a log or a pipe are not cut."""

_FOLDED = 24
"""Characters; where there is no room, longer values of settings are folded."""


@dataclass(frozen=True)
class Page:
    """What a table is drawn on.

    Attributes:
        title: above it.
        width: in characters.
        columns: that were asked for; None leaves the choice to the table.
    """

    title: str
    width: int
    columns: Sequence[str] | None = None


def add_table_options(command: argparse.ArgumentParser) -> None:
    """Options of every command that prints a table."""
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all columns, one object a row")
    form.add_argument(
        "--columns",
        metavar="NAMES",
        type=lambda text: text.split(","),
        help="columns to show, e.g. solver,cmb_variance,seconds; names as in --json",
    )


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or as $COLUMNS says, or `WIDTH`."""
    plain = Console(stderr=stderr)
    told = plain.is_terminal or "COLUMNS" in os.environ
    return plain if told else Console(stderr=stderr, width=WIDTH)


def write_json(table: Any) -> None:
    """A table (pandas) as a list of objects; what is not known is null."""
    plain = table.reset_index().astype(object)
    rows = plain.where(plain.notna(), None).to_dict(orient="records")
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


def show(
    table: Any,
    options: argparse.Namespace,
    drawn: Callable[[Page], Table],
    notes: Sequence[str] = (),
) -> None:
    """Print a table (pandas) of `options.store`: as JSON with the notes on stderr, or as drawn."""
    if options.json:
        write_json(table)
        for note in notes:
            say(note, stderr=True)
    else:
        out = console()
        out.print(drawn(Page(options.store, out.width, options.columns)))


def say(line: str, *, stderr: bool = False) -> None:
    """A line as it is: paths and messages may hold brackets, and are not to be broken."""
    console(stderr=stderr).print(line, markup=False, highlight=False, soft_wrap=True)


def add_lines(shown: Table, *lines: str) -> None:
    """Put lines below a table."""
    there = shown.caption.plain if isinstance(shown.caption, Text) else ""
    shown.caption = Text("\n".join(line for line in (there, *lines) if line))
    shown.caption_justify = "left"


def summary_table(table: Any, page: Page) -> Table:
    """A summary (pandas) as a rich table; settings that do not differ stand below it."""
    from sweep.statistics.suspects import warnings

    present = [c for c in COLUMNS.values() if "summary" in c.shown and c.name in table]
    totals = {c.total for c in present}
    counts = tuple(c.name for c in present if c.counts and c.name not in totals)
    if "suspect" in table and not (table["suspect"] > 0).any():
        counts = tuple(c for c in counts if c != "suspect")
    figures = [c.name for c in present if not c.counts]
    shown = draw(table, page, counts, figures)
    add_lines(shown, *warnings(table))
    return shown


def draw(
    table: Any,
    page: Page,
    counts: tuple[str, ...],
    figures: list[str],
    headings: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """A table (pandas) as a rich table: what tells its rows apart, counts and figures.

    Where the page is narrow, columns are left out rather than cut, and named below: figures but
    the first, then counts, then settings, the last ones first.

    Raises:
        ConfigError: there is no such column as asked for.
    """
    from sweep.statistics.summary import varying

    settings = table.attrs["settings"]
    same = [c for c in settings if table[c].nunique() == 1 and table[c].notna().all()]
    differing = varying(table, settings)
    counts = tuple(c for c in counts if table[c].notna().any())
    columns = [*differing, *counts, *figures]
    spare = [*figures[:0:-1], *counts[::-1], *differing[::-1]]
    if page.columns is not None:
        columns = _asked(table, page.columns)
        spare = columns[:0:-1]
    shown = _columns(table, page.title, columns, headings)
    if _needed(shown) > page.width:
        for name, column in zip(columns, shown.columns[1:], strict=True):
            if name in settings:
                _fold(column)
    wanted = list(columns)
    for name in spare:
        if _needed(shown) <= page.width:
            break
        del shown.columns[1 + columns.index(name)]
        columns.remove(name)
    if dropped := [name for name in wanted if name not in columns]:
        add_lines(
            shown,
            f"no room for {', '.join(dropped)}: see a wider terminal, --columns or --json",
        )
    if stated := [f"{c}={_plain(table[c].iloc[0])}" for c in same if table[c].iloc[0] != ""]:
        add_lines(shown, f"all: {', '.join(stated)}")
    return shown


def _asked(table: Any, names: Sequence[str]) -> list[str]:
    names = [name for name in names if name != table.index.name]  # which is always shown
    for name in names:
        if name not in table:
            raise ConfigError(
                f"--columns {name}: no such column; choose from {', '.join(table.columns)}"
            )
    return list(dict.fromkeys(names))


def _fold(column: Column) -> None:
    """Give long values several lines; the words of the heading stay whole."""
    column.no_wrap, column.overflow = False, "fold"
    column.max_width = max(_FOLDED, *map(len, str(column.header).split()))


def _needed(shown: Table) -> int:
    wide = Console(width=WIDTH)
    return Measurement.get(wide, wide.options, shown).maximum


def _columns(table: Any, title: str, columns: list[str], headings: Mapping[str, str]) -> Table:
    import pandas as pd

    shown = Table(
        title=Text(title, overflow="fold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    shown.add_column("experiment", no_wrap=True)
    for column in columns:
        numeric = pd.api.types.is_numeric_dtype(table[column])
        heading = headings.get(column) or _heading(column)
        shown.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for key, row in table.iterrows():
        shown.add_row(str(key), *(_cell(row, c) for c in columns))
    return shown


def _heading(column: str) -> str:
    if column in COLUMNS:
        return COLUMNS[column].heading
    return column.replace(".", "\n").replace("_", " ")


def _cell(row: Any, column: str) -> str:
    import pandas as pd

    value, error = row[column], row.get(f"{column}_error", math.nan)
    if not math.isnan(error):
        return with_error(value, error)
    known = COLUMNS.get(column)
    if known and known.format == "errors" and row["tied"]:
        return "tie"
    if not known or pd.isna(value):
        return _plain(value)
    if known.total:
        return f"{int(value)} of {int(row[known.total])}"
    if known.format == "interval":
        return f"{value:.2e} +{row[f'{column}_plus']:.1e} -{row[f'{column}_minus']:.1e}"
    if known.format == "precise":
        return f"{value:.6g}" if abs(value) < 1e3 else f"{value:.3f}"
    if known.format == "share":
        return f"{math.floor(100 * value + 1e-6)} %"  # 100 % only where it is all of them
    return _plain(value)


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
