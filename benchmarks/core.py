"""One core for a process, so that two can run side by side."""

import os
import sys


def move_to(core: int | None) -> None:
    """Begin this process anew on one core; where it is there already, or `core` is None, go on.

    Libraries count the cores as they are loaded. With threads for two on one of them a spherical
    harmonic transform takes eight times as long.
    """
    if core is None or os.sched_getaffinity(0) == {core}:
        return
    os.sched_setaffinity(0, {core})
    os.execv(sys.executable, sys.orig_argv)
