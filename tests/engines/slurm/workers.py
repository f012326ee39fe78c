"""Workers of tests that run in SLURM jobs."""

import os
import signal
from typing import Any


def die(package: Any) -> list[Any]:
    """Killed as by the system."""
    os.kill(os.getpid(), signal.SIGKILL)
    return []
