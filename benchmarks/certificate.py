"""How often a restart from a random start ends lower than a certified fit, over the matrix."""

import argparse
import json
from typing import Any

import numpy as np

from benchmarks.cells import COUNTS, HELD_OUT, INSTRUMENTS, VARIANTS, Cell, cell_setup
from benchmarks.core import move_to
from benchmarks.real import NoData
from benchmarks.record import keep
from benchmarks.restarts import LOWER, fitted, minima, restarted, upper_limit
from benchmarks.skies import SKIES

FITS = 600
"""Restarts by default: where 1 of 600 is lower, at most 0.8 % are (one-sided, 95 %)."""

Row = dict[str, Any]


def main(words: list[str] | None = None) -> None:
    """Cells of the matrix with the default solver and box, each fit restarted once.

    Args:
        words: of the command line; those of this process by default.
    """
    asked = _parser().parse_args(words)
    move_to(asked.core)
    skies = asked.sky or [s for s in SKIES if s not in HELD_OUT]
    cells = [Cell(s, i, c) for s in skies for c in asked.counts for i in asked.instrument]
    draws = -(-asked.fits // len(cells))
    overrides = VARIANTS[asked.variant] if asked.variant else ()
    rows, left_out = [], []
    for cell in cells:
        try:
            rows.append(row(cell, draws, *overrides))
        except NoData as reason:
            left_out.append(f"{cell.sky}: {reason}")
    if not rows:
        raise NoData(left_out[0])
    seen = dict.fromkeys(r["sky"] for r in rows)
    sums = [overall([r for r in rows if r["sky"] == sky], sky) for sky in seen]
    rows += [*sums, overall(rows, "all")]
    keep("certificate", rows)
    print(
        f"{rows[-1]['lower']} of {rows[-1]['restarts']} restarts lower by more than {LOWER}: "
        f"below {rows[-1]['upper limit %']:.2f} % at 95 %"
    )
    if left_out:
        raise SystemExit(f"not run, {len(left_out)} cells: {'; '.join(dict.fromkeys(left_out))}")


def row(cell: Cell, draws: int, *overrides: str) -> Row:
    """One cell: fits of `draws` realisations, and as many restarts."""
    setup = cell_setup(cell, "newton", *overrides)
    numbers = tuple(range(draws))
    fits = fitted(setup, numbers)
    gap = minima(restarted(setup, numbers)) - minima(fits)
    found = {
        **cell._asdict(),
        **share(int(np.sum(gap < -LOWER)), draws),
        "higher": int(np.sum(gap > LOWER)),
        "lowest": float(gap.min()),
        "certified": int(np.sum(fits.scan_certified == 1)),
        "jumps": int(fits.jumps.sum()),
        "seconds a fit": float(fits.seconds.mean()),
    }
    print(json.dumps(found), flush=True)
    return found


def share(lower: int, restarts: int) -> Row:
    """How many restarts, how many are lower, and what share of all could be."""
    return {
        "restarts": restarts,
        "lower": lower,
        "lower %": 100 * lower / restarts,
        "upper limit %": 100 * upper_limit(lower, restarts),
    }


def overall(rows: list[Row], sky: str) -> Row:
    """The sums of `rows`."""
    total = {key: sum(row[key] for row in rows) for key in ("restarts", "lower")}
    return {
        **Cell(sky, "all", "all")._asdict(),
        **share(total["lower"], total["restarts"]),
        "higher": sum(row["higher"] for row in rows),
        "lowest": min(row["lowest"] for row in rows),
        "certified": sum(row["certified"] for row in rows),
        "jumps": sum(row["jumps"] for row in rows),
        "seconds a fit": float(np.mean([row["seconds a fit"] for row in rows])),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certificate", allow_abbrev=False)
    parser.add_argument("--sky", nargs="+", choices=SKIES, help="all but those held out by default")
    parser.add_argument("--instrument", nargs="+", choices=INSTRUMENTS, default=INSTRUMENTS)
    parser.add_argument("--counts", nargs="+", choices=tuple(COUNTS), default=tuple(COUNTS))
    parser.add_argument("--variant", choices=tuple(VARIANTS), help="the default box by default")
    parser.add_argument("--fits", type=int, default=FITS, help="restarts over all cells")
    parser.add_argument("--core", type=int, help="keep this process on one core")
    return parser


if __name__ == "__main__":
    main()
