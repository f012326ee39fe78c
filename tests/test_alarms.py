import os
import pty
import subprocess
import sys

import pytest

from sweep.alarms import is_alarm, without_alarms

AT = "1130 02:25:12.970332   11857"
ALARM = f"E{AT} slow_operation_alarm.cc:73] Constant folding an instruction is taking > 1s:"
ERROR = f"E{AT} external/xla/xla/pjrt/client.cc:9] a device was lost"

WRITES = f"""
import os, sys
from sweep.alarms import without_alarms
from sweep.jax_session import jax_session

def said(text):
    os.write(2, text.encode())

with jax_session():
    assert not os.isatty(2) and sys.stderr.isatty()
    with without_alarms():
        said({ALARM!r} + "\\n\\n" + 2000 * "%reshape " + "\\n\\nan instruction's end\\n")
        said({ERROR!r} + "\\n")
        print("of Python", file=sys.stderr)
    os.system("echo of a child >&2")
    said("W{AT} tuple.cc:3] a warning\\n")
assert os.isatty(2)
said({ALARM!r} + " by others\\n")
with jax_session():
    said("F{AT} check.cc:1] Check failed\\n")
    os.abort()
"""


@pytest.mark.parametrize(
    ("message", "alarm"),
    [
        (ALARM, True),
        (f"I{AT} external/xla/xla/service/service.cc:153] XLA service", True),
        (f"W{AT} hlo_pass.cc:1] slow", True),
        (f"E{AT} cpu_aot_loader.cc:210] Target machine feature +prefer-no-scatter", True),
        ("WARNING: All log messages before absl::InitializeLog() is called are written", True),
        (ERROR, False),
        (f"F{AT} slow_operation_alarm.cc:73] Check failed", False),
        ("Traceback (most recent call last):", False),
        ("Error in cpu_aot_loader.cc:1] of mine", False),
    ],
)
def test_an_alarm_is_told_from_an_error(message: str, alarm: bool) -> None:
    assert is_alarm(message.encode()) == alarm


def in_a_terminal(program: str) -> tuple[int, str]:
    """How a program ends, and what its terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 65536):
            shown += some
    except OSError:  # nobody has it any more
        pass
    os.close(ours)
    return process.wait(), shown.decode()


def test_alarms_stay_out_of_a_terminal_and_errors_do_not_even_of_one_that_dies() -> None:
    ended, shown = in_a_terminal(WRITES)
    assert ended == -6
    lines = shown.replace("\r", "").splitlines()
    assert sorted(lines) == sorted(
        [ERROR, "of Python", "of a child", f"{ALARM} by others", f"F{AT} check.cc:1] Check failed"]
    )


def test_a_log_has_all() -> None:
    before = os.fstat(2)
    with without_alarms():
        assert os.path.samestat(os.fstat(2), before)
    with without_alarms(always=True):
        assert not os.path.samestat(os.fstat(2), before)
    assert os.path.samestat(os.fstat(2), before)
