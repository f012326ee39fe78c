"""Waiting for what other processes do."""

import time
from collections.abc import Callable

PATIENCE = 240.0
"""Seconds; a machine that does other things too may be ten times slower than in quiet."""


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
