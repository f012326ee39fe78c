"""The matrix as Markdown: variants over all cells, cells one by one, and what misses the goal."""

import numpy as np

from benchmarks.matrix_compare import CELL, GOAL, Row, by_cell, cell_of, missed
from benchmarks.restarts import upper_limit
from sweep.estimators import ESTIMATORS, NAMES

LIMIT = "cross upper_68"


def tables(rows: list[Row], solver: str = "newton") -> str:
    """All of it, of the rows of one solver; the lowest of a cell is over all solvers.

    Args:
        rows: folded, at least one of the solver.
        solver: whose rows are shown.
    """
    mine = [row for row in rows if row["solver"] == solver]
    parts = (_by_variant, _by_cell, _by_cell_limit, _misses, _restarts)
    return "\n\n".join(part(mine, solver) for part in parts)


def _by_variant(rows: list[Row], solver: str) -> str:
    """A line a variant; the median and the mean weigh its cells the same."""
    lines = _head(
        "variant",
        "cells",
        f"above {GOAL}",
        "largest ratio",
        "largest ratio of r + sigma",
        *(f"median abs r, {NAMES[how]}" for how in ESTIMATORS),
        "swapped",
        "converged",
        "restarts lower",
        "below, 95 %",
        "seconds a fit",
    )
    least = _least(rows)
    for variant in _variants(rows):
        own = [row for row in rows if row["variant"] == variant]
        tried, lower = (sum(r[f"restarts {k}"] for r in own) for k in ("tried", "lower"))
        lines.append(
            _line(
                variant,
                str(len(own)),
                str(len(missed(own, variant, solver))),
                _text(max([r["ratio"] for r in own], key=_known), ".3f"),
                _text(max([r[LIMIT] / least[cell_of(r)] for r in own], key=_known), ".3f"),
                *(_text(_median([abs(r[f"{how} r"]) for r in own]), ".2g") for how in ESTIMATORS),
                str(sum(r["swapped"] for r in own)),
                f"{100 * np.mean([r['converged'] for r in own]):.1f} %",
                f"{lower} of {tried}" if tried else "-",
                f"{100 * upper_limit(lower, tried):.2f} %" if tried else "-",
                f"{np.mean([r['seconds a fit'] for r in own]):.3g}",
            )
        )
    return "\n".join(lines)


def _by_cell(rows: list[Row], solver: str) -> str:
    """Ratios to the lowest of the cell: bold above the goal, a star where the fit is swapped."""
    variants = _variants(rows)
    lines = _head(*CELL, "lowest, uK^2", *variants)
    for cell, of_cell in by_cell(rows).items():
        own = {row["variant"]: row for row in of_cell}
        least = _median([row["residual variance"] / row["ratio"] for row in own.values()])
        texts = [_ratio_text(own[v]) if v in own else "-" for v in variants]
        lines.append(_line(*cell, _text(least, ".4g"), *texts))
    return "\n".join(lines)


def _by_cell_limit(rows: list[Row], solver: str) -> str:
    """Limits r + sigma by the cross estimate, in 1e-3; the lowest of a cell is bold."""
    del solver
    variants, least = _variants(rows), _least(rows)
    lines = _head(*CELL, *variants)
    for cell, of_cell in by_cell(rows).items():
        limits = {row["variant"]: row[LIMIT] for row in of_cell}
        texts = []
        for variant in variants:
            limit = limits.get(variant, np.nan)
            text = _text(1e3 * limit, ".4g")
            texts.append(f"**{text}**" if limit == least[cell] else text)
        lines.append(_line(*cell, *texts))
    return "\n".join(lines)


def _misses(rows: list[Row], solver: str) -> str:
    """A line a variant: the cells that miss the goal."""
    lines = []
    for variant in _variants(rows):
        names = ["/".join(row[key] for key in CELL) for row in missed(rows, variant, solver)]
        lines.append(f"- {variant}: {', '.join(names) or 'none'} above {GOAL}")
    return "\n".join(lines)


def _restarts(rows: list[Row], solver: str) -> str:
    """Restarts that ended lower, sky by sky, of the boxes and priors that were restarted."""
    del solver
    lines = _head("variant", "sky", "restarts", "lower", "below, 95 %")
    for variant in _variants(rows):
        own = [row for row in rows if row["variant"] == variant and row["restarts tried"]]
        skies = dict.fromkeys(row["sky"] for row in own)
        groups = [(sky, [row for row in own if row["sky"] == sky]) for sky in skies]
        for name, group in [*groups, ("all", own)]:
            tried, lower = (sum(r[f"restarts {k}"] for r in group) for k in ("tried", "lower"))
            if tried:
                limit = f"{100 * upper_limit(lower, tried):.2f} %"
                lines.append(_line(variant, name, str(tried), str(lower), limit))
    return "\n".join(lines)


def _variants(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["variant"] for row in rows))


def _least(rows: list[Row]) -> dict[tuple[str, ...], float]:
    """The lowest r + sigma of every cell; NaN where none is known."""
    return {
        cell: min([row[LIMIT] for row in of_cell if np.isfinite(row[LIMIT])], default=np.nan)
        for cell, of_cell in by_cell(rows).items()
    }


def _ratio_text(row: Row) -> str:
    text = f"{_text(row['ratio'], '.3f')} ± {_text(row['ratio error'], '.3f')}"
    text = text if row["ratio"] <= GOAL else f"**{text}**"
    return text + (" *" if row["swapped"] else "")


def _known(value: float) -> float:
    return value if np.isfinite(value) else -np.inf


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else np.nan


def _text(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def _head(*names: str) -> list[str]:
    return [_line(*names), _line(*["---"] * len(names))]


def _line(*texts: str) -> str:
    return f"| {' | '.join(texts)} |"
