"""What a launch says while it works."""

import io
import time

import pytest
from rich.console import Console

from sweep import progress
from sweep.grid import Outcome, Task
from sweep.progress import COMPILING, Progress
from sweep.store import Unit
from sweep.testing.small import small


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made)
    return made


def outcome() -> Outcome:
    return Outcome(Task(Unit("segment-a", 0, 0), (small(),), (0,)), {"converged": 1})


def account(clock: Clock, workers: int, *ends: float) -> list[str]:
    """What is said of 10 units by so many workers, each time one has ended."""
    kept = progress._Account("units", 10, workers, COMPILING)
    said = [str(kept)]
    for end in ends:
        clock.now = end
        kept.count(1, "")
        said.append(str(kept))
    return said


def test_first_units_compile_and_say_nothing_of_the_others(clock: Clock) -> None:
    assert account(clock, 2, 60.0, 70.0, 75.0) == [
        "0/10 units, 0 s, starting and compiling",
        "1/10 units, 60 s, starting and compiling",
        "2/10 units, 70 s",
        "3/10 units, 75 s, 35 s left",
    ]
    assert account(clock, 1, *range(80, 90))[-1] == "10/10 units, 14 s, 0 s left"


def test_where_each_worker_has_one_unit_nothing_is_extrapolated(clock: Clock) -> None:
    assert account(clock, 10, 60.0, 61.0)[1:] == ["1/10 units, 60 s", "2/10 units, 61 s"]


def test_of_what_does_not_compile_the_first_is_a_measure_too(clock: Clock) -> None:
    assert account(clock, 0, 2.0)[-1] == "1/10 units, 2 s, 18 s left"


def test_a_line_comes_where_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.01)
    out = io.StringIO()
    with Progress(Console(file=out, width=200)).running(3, 3, 1) as ended:
        while out.getvalue().count("\n") < 4:  # the test's own time limit ends it otherwise
            time.sleep(0.01)
        assert all(COMPILING in line for line in out.getvalue().splitlines()[1:])
        ended(outcome())
    assert out.getvalue().splitlines()[0] == "3 units to compute, 3 fits"
    assert out.getvalue().splitlines()[-1].endswith(" s, 1 converged")


def test_what_is_composed_in_a_moment_is_not_shown() -> None:
    out = io.StringIO()
    with Progress(Console(file=out)).composing(2) as composed:
        composed()
        composed()
    assert out.getvalue() == ""


def test_a_bar_says_that_it_compiles() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with Progress(console).running(2, 2, 1) as ended:
        pass
    assert COMPILING in out.getvalue()
    with Progress(console).running(2, 2, 1) as ended:
        ended(outcome())
    assert "1 converged" in out.getvalue()


def test_an_error_is_not_followed_by_how_far_it_was() -> None:
    out = io.StringIO()
    shown = Progress(Console(file=out)).checking(2)
    checked = shown.__enter__()
    checked()
    error = KeyError("wrong")
    assert not shown.__exit__(KeyError, error, None)
    assert out.getvalue() == ""
