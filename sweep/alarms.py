"""Alarms of XLA, which mean nothing to who sees them, stay out of a terminal.

XLA writes them to standard error by itself, whatever it is told by variables: that folding a
constant takes more than a second, say. They are taken out by a process of its own, so that what is
written there right before a crash still passes.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

_MESSAGE = re.compile(rb"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ ([\w./]+\.cc):\d+\] ")
"""How a message of XLA begins; it is written at once, whatever lines it has."""

_ALARMS = (b"slow_operation_alarm.cc", b"cpu_aot_loader.cc")
"""What calls an alarm an error: slow compilation, and programs kept by a slightly other CPU."""

_PREFACE = b"WARNING: All log messages before absl::InitializeLog()"
_PACKET = 4096
"""Bytes; what is longer comes in several packets."""

_ENDING = 2.0
"""Seconds for the filter to end, unless another process still has its pipe."""

_lock = Lock()
_inside = 0
_undo: Callable[[], None] | None = None


def is_alarm(message: bytes) -> bool:
    """Whether a message on standard error is of XLA, and no error."""
    begun = _MESSAGE.match(message)
    if begun is None:
        return message.startswith(_PREFACE)
    level, file = begun.groups()
    return level in b"IW" or (level == b"E" and os.path.basename(file) in _ALARMS)


@contextmanager
def without_alarms(*, always: bool = False) -> Iterator[None]:
    """Within, alarms do not reach standard error; of this process and of those that it starts.

    Args:
        always: also where standard error is no terminal; a log has them otherwise.
    """
    global _inside, _undo
    with _lock:
        if not _inside and (always or os.isatty(2)) and hasattr(os, "O_DIRECT"):
            _undo = _filtered()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _undo is not None:
                _undo()
                _undo = None


def _filtered() -> Callable[[], None]:
    """Put the filter before standard error; what is returned takes it away."""
    real = os.dup(2)
    reading, writing = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)  # a read gives what one write wrote
    # in a session of its own, so that Ctrl-C does not end it first
    command = [sys.executable, "-I", "-S", __file__]
    child = subprocess.Popen(command, stdin=reading, stderr=real, start_new_session=True)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    # what Python writes needs no filter, and looks whether it writes to a terminal
    before = sys.stderr
    if before is sys.__stderr__:
        sys.stderr = os.fdopen(real, "w", 1, errors="backslashreplace", closefd=False)

    def undo() -> None:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(real, 2)
        os.close(real)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_ENDING)

    return undo


def _filter() -> None:
    """Pass standard input on to standard error, a message at a time."""
    dropping = False
    whole = True
    while packet := os.read(0, _PACKET):
        if whole:
            dropping = is_alarm(packet)
        whole = len(packet) < _PACKET
        if not dropping:
            os.write(2, packet)


if __name__ == "__main__":
    _filter()
