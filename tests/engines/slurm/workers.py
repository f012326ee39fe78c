"""Workers of tests that run in SLURM jobs."""

import os
import signal
import time
from typing import Any

from sweep.worker import run_package


def die(package: Any) -> list[Any]:
    """Killed as by the system."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def swell(package: Any) -> list[Any]:
    """More memory than it was given."""
    held = bytearray(2 * 2**30)
    held[::4096] = bytes(len(held[::4096])).replace(b"\0", b"x")
    time.sleep(60)
    return []


def slowly(package: Any) -> list[Any]:
    """As ever, with time to be disturbed."""
    time.sleep(2)
    return run_package(package)


def slow_at_first(package: Any) -> list[Any]:
    """Too slow for a time limit of a minute, but for a job that was put back."""
    if "SLURM_RESTART_COUNT" not in os.environ:
        time.sleep(8)
    return run_package(package)
