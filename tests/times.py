"""How tests ended and where their time went: `pytest -p tests.times --times FILE` writes JSON.

A test's seconds are those of its call and of the fixtures made for it, so the first test that needs
a shared fixture pays for it. Compilation is XLA's own, in the process of the test; what commands
compile that a test starts counts as theirs.
"""

import json
import os
import platform
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.provenance import commit, versions

COMPILED = "/jax/core/compile/backend_compile_duration"

PARTS = {"tests/engines/slurm": "SLURM", "tests/report/test_browser.py": "browser"}
"""Where all seconds count as those of one thing."""

_spent: defaultdict[str, float] = defaultdict(float)
"""Seconds of this process since the last test ended."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=Path, metavar="FILE", help="write where the time went")


def pytest_configure(config: pytest.Config) -> None:
    import jax

    jax.monitoring.register_event_duration_secs_listener(_compiled)
    subprocess.run = _timed(subprocess.run)
    file: Path | None = config.getoption("--times")
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(file))


def _compiled(event: str, duration_secs: float, **_: str | int) -> None:
    if event == COMPILED:
        _spent["compilation"] += duration_secs


def _timed(run: Any) -> Any:
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return run(*args, **kwargs)
        finally:
            _spent["commands"] += time.perf_counter() - start

    return timed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What was spent goes with the report, which may be one of another process."""
    item.user_properties[:] = [(name, seconds) for name, seconds in _spent.items()]
    _spent.clear()
    return (yield)


class _Recorder:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.start = time.perf_counter()
        self.programs = len(list(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob("*")))
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.spent: dict[str, Any] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        # what its fixtures say counts where it is no success
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
        for what, seconds in report.user_properties:
            of_test = self.spent.setdefault(report.nodeid, defaultdict(float))
            of_test[what] += seconds

    def pytest_sessionfinish(self) -> None:
        whole = defaultdict(float, {"all": sum(self.seconds.values())})
        folders: defaultdict[str, float] = defaultdict(float)
        for name, seconds in self.seconds.items():
            file = Path(name.partition("::")[0])
            folders[str(file.parent if file.parent.name != "tests" else file)] += seconds
            for what, spent in self.spent.get(name, {}).items():
                whole[what] += spent
            for place, part in PARTS.items():
                if name.startswith(place):
                    whole[part] += seconds
        self.file.write_text(
            json.dumps(
                {
                    "measured": datetime.now(UTC).isoformat(timespec="seconds"),
                    "commit": commit(),
                    "machine": f"{platform.machine()}, {os.cpu_count()} cores",
                    "versions": versions(),
                    "programs of an earlier run": self.programs,
                    "wall": time.perf_counter() - self.start,
                    "tests": Counter(self.outcomes.values()),
                    "seconds": whole,
                    "folders": dict(_most(folders)),
                    "slowest": {
                        name: {"seconds": seconds, **self.spent.get(name, {})}
                        for name, seconds in _most(self.seconds)[:40]
                    },
                },
                indent=2,
            )
            + "\n"
        )


def _most(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: -item[1])
