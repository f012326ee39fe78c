"""Rows of a cell side by side: the lowest residual variance, and how far above it others are."""

from typing import Any, NamedTuple

import numpy as np

from sweep.estimators import ESTIMATORS

Row = dict[str, Any]

CELL = ("sky", "instrument", "counts")

GOAL = 1.05
"""Of the lowest residual variance of its cell a default may have at most so much."""

SAME = 1e-4
"""Two residual variances are the same within this share: solvers end apart by far less."""

SWAPPED_INDEX = -2.0
"""A mean synchrotron index above it belongs to a fit that took dust for synchrotron."""


class Ratio(NamedTuple):
    """Of two mean residual variances, over the realisations in which both fits converged.

    Attributes:
        value: NaN where they share none.
        error: of it, from the scatter of the differences; NaN with one realisation.
        shared: realisations.
    """

    value: float
    error: float
    shared: int


def ratio(row: Row, other: Row) -> Ratio:
    """Residual variance of `row` over that of `other`."""
    count = min(len(row["residual_variance"]), len(other["residual_variance"]))
    kept = np.array(row["converged"][:count]) & np.array(other["converged"][:count])
    one, two = (np.array(r["residual_variance"][:count])[kept] for r in (row, other))
    if not one.size:
        return Ratio(np.nan, np.nan, 0)
    value = float(one.mean() / two.mean())
    if one.size == 1:
        return Ratio(value, np.nan, 1)
    scatter = float((one - value * two).std(ddof=1))
    return Ratio(value, scatter / np.sqrt(one.size) / float(two.mean()), int(one.size))


def lowest(rows: list[Row]) -> Row | None:
    """The row of a cell with the lowest residual variance, over converged fits; None without any.

    Rows have different numbers of realisations, so each is compared with the lowest so far on those
    that both have. Those of most realisations come first, and stay where others are no lower.
    """
    found = None
    for row in sorted(rows, key=lambda r: -sum(r["converged"])):
        if any(row["converged"]) and (found is None or ratio(row, found).value < 1 - SAME):
            found = row
    return found


def folded(rows: list[Row]) -> list[Row]:
    """Flat rows for a table, in the order given: every cell against its lowest."""
    best = {cell: lowest(of_cell) for cell, of_cell in by_cell(rows).items()}
    return [_flat(row, best[cell_of(row)]) for row in rows]


def _flat(row: Row, best: Row | None) -> Row:
    values = np.array(row["residual_variance"])[np.array(row["converged"], bool)]
    against = Ratio(np.nan, np.nan, 0) if best is None else ratio(row, best)
    flat: Row = {name: row[name] for name in (*CELL, "variant", "solver", "draws")}
    flat |= {
        "residual variance": float(values.mean()) if values.size else np.nan,
        "error": float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan,
        "ratio": against.value,
        "ratio error": against.error,
        "shared draws": against.shared,
        "lowest": "" if best is None else f"{best['variant']}, {best['solver']}",
    }
    for name in ESTIMATORS:
        for key in ("r", "error", "upper_68", "upper_95"):
            flat[f"{name} {key}"] = row["r"][name].get(key, np.nan)
    flat |= {
        "converged": float(np.mean(row["converged"])),
        "certified": row["certified"],
        "suspect": row["suspect"],
        "evaluations": row["evaluations"],
        "seconds a fit": row["seconds"],
    }
    for p in ("beta_dust", "temp_dust", "beta_pl"):
        flat |= {f"{p} mean": row[p]["mean"], f"{p} low": row[p]["at low end"]}
        flat[f"{p} high"] = row[p]["at high end"]
    flat["swapped"] = row["beta_pl"]["mean"] > SWAPPED_INDEX
    tried = row.get("restarts", {})
    flat |= {f"restarts {k}": tried.get(k, 0) for k in ("tried", "lower")}
    return flat | {"commit": row["commit"]}


def missed(rows: list[Row], variant: str, solver: str = "newton") -> list[Row]:
    """Folded rows of a default that miss the goal, those without converged fits among them."""
    mine = [r for r in rows if (r["variant"], r["solver"]) == (variant, solver)]
    return [r for r in mine if not r["ratio"] <= GOAL]


def cell_of(row: Row) -> tuple[str, ...]:
    """Sky, instrument and counts of a row."""
    return tuple(row[key] for key in CELL)


def by_cell(rows: list[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The rows of every cell, in the order given."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(cell_of(row), []).append(row)
    return groups
