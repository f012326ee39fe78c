"""Do the tests see a small fault? Those of planted.toml, one at a time, and the tests of the file.

A fault is planted in a copy of the tree, where the tests of its file run up to the first that
fails; as caught counts as well that they take five times as long as without it, and a minute.

    python -m benchmarks.planted [--file noise.py] [--only N ...]

What was not run keeps the row of an earlier run, so each has its commit.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.planted_child import PRELOADED, run_tests
from benchmarks.record import RESULTS, keep
from sweep.provenance import commit

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("sweep", "conf", "tests", "launchers", "benchmarks", "pyproject.toml")
AT_ONCE = 2

_SERVER = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Fault:
    """One change of one file.

    Attributes:
        file: from the root of the repository.
        number: from 1 on, within the file.
        text: what stands there, exactly once.
        replacement: what stands there instead.
        what: is wrong then, in a few words.
        tests: that mirror the file.
    """

    file: str
    number: int
    text: str
    replacement: str
    what: str
    tests: tuple[str, ...]

    def planted(self, source: str) -> str:
        """The content of the file with the fault in it.

        Raises:
            ValueError: its text does not stand in the file exactly once.
        """
        if (count := source.count(self.text)) != 1:
            raise ValueError(
                f"planted.toml: {self.file}, fault {self.number} ({self.what}): expected "
                f"{self.text!r} once in the file, found it {count} times; adapt the table"
            )
        return source.replace(self.text, self.replacement)


def faults() -> list[Fault]:
    """The table."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [
        Fault(file, number, text, replacement, what, tuple(tests or of_file["tests"]))
        for file, of_file in table.items()
        for number, (text, replacement, what, *tests) in enumerate(of_file["faults"], start=1)
    ]


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        for name in COPIED:
            source, to = ROOT / name, Path(folder, name)
            if source.is_dir():
                shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, to)
        yield Path(folder)


def _run_tests(tree: Path, tests: tuple[str, ...], limit: float | None) -> str | None:
    """The first test that fails, "timeout", or None where all pass."""
    output = tree / "output.txt"
    process = _SERVER.Process(target=run_tests, args=(str(tree), tests, str(output)))
    process.start()
    process.join(limit)
    if process.exitcode is None:
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        return "timeout"
    if process.exitcode == 0:
        return None
    text = output.read_text()
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+::\S+)", text, re.MULTILINE)
    if process.exitcode != 1 or found is None:
        raise RuntimeError(f"pytest {' '.join(tests)}: no test ran: {text[-2000:]}")
    return found[1]


def _seconds_without(tests: tuple[str, ...]) -> float:
    start = time.perf_counter()
    with _copy() as tree:
        if failed := _run_tests(tree, tests, None):
            sys.exit(f"planted: {failed} fails without any fault; mend it first")
    return time.perf_counter() - start


def _tried(fault: Fault, limit: float) -> dict[str, Any]:
    start = time.perf_counter()
    with _copy() as tree:
        file = tree / fault.file
        file.write_text(fault.planted(file.read_text()))
        by = _run_tests(tree, fault.tests, limit)
    seconds = time.perf_counter() - start
    print(f"{fault.file} {fault.number}, {fault.what}: {by or 'NOT CAUGHT'}", flush=True)
    return {
        "file": fault.file,
        "fault": fault.what,
        "caught": by is not None,
        "by": by or "",
        "seconds": round(seconds, 1),
        "commit": commit(),
    }


def _all_rows(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of the table, those of an earlier run where there are no new ones."""
    file = RESULTS / "planted.json"
    old = json.loads(file.read_text())["rows"] if file.exists() else []
    known = {(row["file"], row["fault"]): row for row in (*old, *new)}
    wanted = ((fault.file, fault.what) for fault in faults())
    return [known[key] for key in wanted if key in known]


def main(words: list[str] | None = None) -> None:
    """Plant, run the tests, and keep what was caught by which test."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--file", default="", help="files whose path has this in it")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="these of each file")
    given = parser.parse_args(words)
    chosen = [f for f in faults() if given.file in f.file]
    chosen = [f for f in chosen if not given.only or f.number in given.only]
    _SERVER.set_forkserver_preload(list(PRELOADED))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PLATFORMS"] = "cpu"
    for fault in chosen:
        fault.planted((ROOT / fault.file).read_text())
    suites = dict.fromkeys(fault.tests for fault in chosen)
    limits = {tests: 5 * _seconds_without(tests) + 60 for tests in suites}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        new = list(pool.map(lambda fault: _tried(fault, limits[fault.tests]), chosen))
    rows = _all_rows(new)
    totals = {
        file: {"faults": len(of_file), "caught": sum(of_file)}
        for file in dict.fromkeys(row["file"] for row in rows)
        if (of_file := [row["caught"] for row in rows if row["file"] == file])
    }
    keep("planted", rows, totals=totals)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
