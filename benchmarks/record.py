"""Where a figure comes from goes with it."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweep.provenance import commit, versions

RESULTS = Path(__file__).parent / "results"


def keep(name: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Print `rows` as a table and write them with versions and machine to results/<name>.json.

    What is in `more` stands before the rows.
    """
    columns = list(rows[0])
    print(f"\n{name}")
    print("  ".join(f"{c:>18}" for c in columns))
    for row in rows:
        print("  ".join(f"{_text(row[c]):>18}" for c in columns))
    record = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_cores()}, {_processor()}",
        "versions": versions(),
        "peak_memory_MB": peak_megabytes(),
        **more,
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")


def peak_megabytes() -> int:
    """Most memory that this process held; getrusage would give its parent's where that is more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("no VmHWM in /proc/self/status: peak memory is measured on Linux only")


def _cores() -> str:
    return f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
