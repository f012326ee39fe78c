"""What tests of compaction share."""

import signal
import subprocess
import sys
from pathlib import Path

from sweep.store import (
    Store,
    verify,
)
from sweep.store.files import sidecar

from .helpers import (
    assert_expected,
)

REPOSITORY = Path(__file__).parents[2]


def assert_whole(path: Path) -> None:
    """Everything is there, by every way of asking."""
    assert Store(path).pending_units() == ()
    assert_expected(path)
    report = verify(path)
    assert report.clean, report
    assert report.skipped_lines == 0


def journals(path: Path) -> list[Path]:
    return sorted((sidecar(path) / "journal").iterdir())


KILLED = """
import os, signal, sys
from sweep.store import compact

def die(reached):
    if reached == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

compact(sys.argv[1], checkpoint=die)
"""


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_at(path: Path, step: str) -> None:
    """Compact in a process that kills itself at `step`."""
    process = started(KILLED, path, step)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (step, errors)
