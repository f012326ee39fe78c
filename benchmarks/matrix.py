"""Boxes and priors over skies, instruments and cluster counts: what the defaults rest on.

`python -m benchmarks.matrix --sky rough --instrument pico --counts coarse --variant narrow`
runs a part; without arguments all of it, but for skies that are held out. Rows are added to
runs/matrix.jsonl as they are finished, and those that are there of the same code are not run again.
In the end all rows of this code are put beside each other in results/matrix.json; `--table` prints
that as Markdown.
"""

import argparse
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import sweep
from benchmarks.cells import (
    COUNTS,
    HELD_OUT,
    INSTRUMENTS,
    MASK,
    SOLVERS,
    VARIANTS,
    Cell,
    all_cells,
    cell_setup,
    draws_of,
)
from benchmarks.core import move_to
from benchmarks.matrix_compare import folded
from benchmarks.matrix_row import measured
from benchmarks.matrix_table import tables
from benchmarks.real import NoData
from benchmarks.record import RESULTS, keep
from benchmarks.skies import SKIES
from sweep.cache import Cache, digest, file_digest
from sweep.errors import ConfigError
from sweep.provenance import commit

ROWS = Path("runs/matrix.jsonl")
KEYS = ("code", "sky", "instrument", "counts", "variant", "solver")

ROOT = Path(__file__).parents[1]
DECISIVE = (
    "benchmarks/matrix_row.py",
    "benchmarks/restarts.py",
    "benchmarks/skies.py",
    "conf",
    "sweep/clusters",
    "sweep/assemble",
    "sweep/config/schema.py",
    "sweep/ends.py",
    "sweep/fit.py",
    "sweep/inputs",
    "sweep/noise",
    "sweep/model",
    "sweep/problem",
    "sweep/sky",
    "sweep/solvers",
    "sweep/spectra.py",
    "sweep/statistics/residuals.py",
    "sweep/statistics/tensor_ratio.py",
)
"""Code that a row depends on: where none of it has changed, a row is not run again."""


def main(words: list[str] | None = None) -> None:
    """Run what is asked for and missing, and put it beside the rest.

    Args:
        words: of the command line; those of this process by default.
    """
    asked = _parser().parse_args(words)
    if asked.table:
        print(tables(json.loads((RESULTS / "matrix.json").read_text())["rows"]))
        return
    move_to(asked.core)
    left_out = run(asked)
    rows = list(known(ROWS).values())
    if rows:
        keep("matrix", folded(rows))
    if left_out:
        sys.exit(f"not run, {len(left_out)} rows: " + "; ".join(dict.fromkeys(left_out)))


def run(asked: argparse.Namespace) -> list[str]:
    """Run the rows that are missing; returns why others that were asked for were not run."""
    skies = asked.sky or [s for s in SKIES if s not in HELD_OUT]
    if not asked.sky and HELD_OUT:
        print(f"held out, run them by --sky: {', '.join(HELD_OUT)}", flush=True)
    tasks = [
        (cell, variant, solver)
        for cell in all_cells()
        if cell.sky in skies and cell.instrument in asked.instrument and cell.counts in asked.counts
        for solver in asked.solver
        for variant in asked.variant
    ]
    cache, done, left_out = Cache(Path(str(sweep.compose([]).store.cache))), known(ROWS), []
    for number, (cell, variant, solver) in enumerate(tasks, 1):
        place = f"[{number}/{len(tasks)}] {'/'.join(cell)} {variant} {solver}"
        draws = draws_of(solver, cell.counts, asked.draws)
        restarts = asked.restarts if solver == "newton" else 0
        if not draws:
            left_out.append(f"{solver} at {cell.counts} counts takes too long")
            print(f"{place}: left out, it takes too long", flush=True)
            continue
        before = done.get((version(variant), *cell, variant, solver))
        if before and _holds(before, draws, restarts):
            print(f"{place}: there", flush=True)
            continue
        try:
            row = one(cell, variant, solver, draws, restarts, cache)
        except (ConfigError, NoData) as error:
            reason = str(error).split(";")[0]
            left_out.append(f"{cell.sky} {variant}: {reason}")
            print(f"{place}: left out: {reason}", flush=True)
            continue
        values = row["residual_variance"]
        print(
            f"{place}: {sum(values) / len(values):.5g} uK^2, {sum(row['converged'])} of {draws} "
            f"converged, beta_pl {row['beta_pl']['mean']:.2f}, {row['seconds']:.3f} s a fit",
            flush=True,
        )
    return left_out


def one(
    cell: Cell, variant: str, solver: str, draws: int, restarts: int, cache: Cache
) -> dict[str, Any]:
    """Run one row and add it to the file of rows."""
    setup = cell_setup(cell, solver, *VARIANTS[variant])
    row = {
        "code": version(variant),
        **cell._asdict(),
        "variant": variant,
        "solver": solver,
        "commit": commit(),
        **measured(setup, draws, restarts, cache),
    }
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a") as file:  # one write a line: two processes may add to it
        file.write(json.dumps(row) + "\n")
    return row


def known(path: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """Rows of this code, the last of each key, in the order in which they were first run."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # a kill came in the middle of it
                continue
            if row["variant"] in VARIANTS and row["code"] == version(row["variant"]):
                found[tuple(row[key] for key in KEYS)] = row
    return found


def version(variant: str) -> str:
    """The digest of all that rows of a box or prior depend on; another one does not change it."""
    given = (VARIANTS[variant], MASK, COUNTS, SOLVERS)
    return digest({"code": _code(), "given": given})[:12]


@lru_cache(maxsize=1)
def _code() -> str:
    places = [ROOT / name for name in DECISIVE]
    files = [f for p in places for f in ([p] if p.is_file() else p.rglob("*"))]
    code = [f for f in files if f.suffix in (".py", ".yaml")]
    return digest({str(f.relative_to(ROOT)): file_digest(f) for f in code})


def _holds(row: dict[str, Any], draws: int, restarts: int) -> bool:
    tried = row.get("restarts", {}).get("tried", 0)
    return row["draws"] >= draws and tried >= min(restarts, draws)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrix", allow_abbrev=False)
    choices = {
        "sky": (SKIES, None),
        "instrument": (INSTRUMENTS, INSTRUMENTS),
        "counts": (tuple(COUNTS), tuple(COUNTS)),
        "variant": (tuple(VARIANTS), tuple(VARIANTS)),
        "solver": (tuple(SOLVERS), tuple(SOLVERS)),
    }
    for name, (allowed, default) in choices.items():
        parser.add_argument(
            f"--{name}", nargs="+", choices=allowed, default=default, help="all by default"
        )
    parser.add_argument("--draws", type=_number(1), default=20, help="realisations a row")
    parser.add_argument("--restarts", type=_number(0), default=0, help="of newton, a row")
    parser.add_argument("--core", type=_number(0), help="keep this process on one core")
    parser.add_argument("--table", action="store_true", help="print results/matrix.json")
    return parser


def _number(least: int) -> Any:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a number from {least} on, got {text!r}")
        return int(text)

    return number


if __name__ == "__main__":
    main()
