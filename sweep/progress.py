"""What a launch shows while it works: a bar in a terminal, a line now and then elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from sweep.alarms import without_alarms

if TYPE_CHECKING:
    from sweep.grid import Outcome

_Update = Callable[[int, str], None]
"""Counts what has ended, and says in words what came of all."""

QUIET_SECONDS = 10.0
"""Without a terminal, a line in this time, also where nothing has ended in it."""

COMPILING = "starting and compiling"
"""What workers do until each has ended its first unit."""


class Progress:
    """Progress on standard error.

    Args:
        console: where to write; None writes nothing at all.
    """

    def __init__(self, console: Console | None) -> None:
        self.console = console

    def note(self, line: str) -> None:
        """A line that stays."""
        if self.console is not None:
            self.console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def composing(self, total: int) -> Iterator[Callable[[], None]]:
        """While experiments are composed; shown only where that takes long."""
        with self._shown(_Account("experiments composed", total), brief=True) as update:
            yield lambda: update(1, "")

    @contextmanager
    def checking(self, total: int) -> Iterator[Callable[[], None]]:
        """While experiments are checked; the given function counts one.

        The first waits for the sky that others share.
        """
        with self._shown(_Account("experiments checked", total, first=1)) as update:
            yield lambda: update(1, "")

    @contextmanager
    def piloting(self, at_most: float) -> Iterator[Callable[[], None]]:
        """While a few fits are timed; the given function counts an experiment.

        Args:
            at_most: seconds after which no more are begun.
        """
        self.note(f"timing a few fits for the estimate, for about {at_most:.0f} s at most")
        with self._shown(_Account("experiments timed", None, 1, COMPILING)) as update:
            yield lambda: update(1, "")

    @contextmanager
    def looking(self, total: int) -> Iterator[Callable[[], None]]:
        """While experiments of a store are looked at; the given function counts one."""
        with self._shown(_Account("experiments", total)) as update:
            yield lambda: update(1, "")

    @contextmanager
    def simulating(self, total: int) -> Iterator[Callable[[], None]]:
        """While skies are simulated; shown only where that takes long, as they are kept."""
        with self._shown(_Account("skies simulated", total), brief=True) as update:
            yield lambda: update(1, "")

    @contextmanager
    def running(self, total: int, fits: int, workers: int) -> Iterator[Callable[["Outcome"], None]]:
        """While units are computed; the given function counts one that ended.

        Args:
            total: number of units.
            fits: number of their fits.
            workers: that compute at the same time; the first unit of each has its programs
                compiled, and says nothing of the time that the others take.
        """
        counts: dict[str, int] = {}

        def ended(outcome: "Outcome") -> None:
            unit = "unit left out" if outcome.cancelled else "failed unit"
            for status, n in (outcome.statuses or {unit: 1}).items():
                counts[status] = counts.get(status, 0) + n
            update(1, ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in counts.items()))

        self.note(f"{total} units to compute, {fits} fits")
        account = _Account("units", total, min(workers, total), COMPILING)
        with self._shown(account) as update:
            yield ended

    @contextmanager
    def _shown(self, account: "_Account", brief: bool = False) -> Iterator[_Update]:
        """Show an account while it is kept; a `brief` one leaves nothing behind."""
        if self.console is None:
            yield lambda n, text: None
        elif self.console.is_terminal:
            with without_alarms(), _bar(account, self.console, brief) as update:
                yield update
        else:
            with _lines(account, self.note, brief) as update:
                yield update


class _Account:
    """What has ended, and how long the rest takes.

    Args:
        what: is counted.
        total: number of them; None where that is not known.
        first: so many of them are no measure of the others: what these share is made for them.
        doing: what is done until these have ended, in words.
    """

    def __init__(self, what: str, total: int | None, first: int = 0, doing: str = "") -> None:
        self.what, self.total, self.first, self.doing = what, total, first, doing
        self.done, self.text = 0, ""
        self._start = self._measured = time.monotonic()
        self._before = 0  # ended when the measure began

    def count(self, n: int, text: str) -> None:
        """So many more have ended."""
        self.done += n
        self.text = text
        if self.done <= self.first:
            self._measured, self._before = time.monotonic(), self.done

    @property
    def left(self) -> float | None:
        """Seconds until all have ended; None where nothing is known of it."""
        if self.total is None:
            return None
        if self.done >= self.total:
            return 0.0
        if self.done <= max(self.first, self._before):
            return None
        each = (time.monotonic() - self._measured) / (self.done - self._before)
        return each * (self.total - self.done)

    @property
    def state(self) -> str:
        """Time left, where that is known, and what is done or has ended, in words."""
        left = "" if self.left is None else f"{self.left:.0f} s left"
        begun = self.done > 0 and not self.done < self.first < (self.total or 0)
        doing = "" if begun else self.doing
        return "  ".join(part for part in (left, doing, self.text) if part)

    def __str__(self) -> str:
        of = "" if self.total is None else f"/{self.total}"
        past = f"{time.monotonic() - self._start:.0f} s"
        return f"{self.done}{of} {self.what}, " + ", ".join(p for p in (past, self.state) if p)


class _State(ProgressColumn):
    """The state of an account, as it is whenever the bar is drawn."""

    def __init__(self, account: _Account) -> None:
        super().__init__()
        self._account = account

    def render(self, task: object) -> Text:
        """See `ProgressColumn.render`."""
        del task
        return Text(self._account.state)


@contextmanager
def _bar(account: _Account, console: Console, brief: bool) -> Iterator[_Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        _State(account),
    )
    with Bar(*columns, console=console, transient=brief) as bar:
        task = bar.add_task(account.what, total=account.total)

        def update(n: int, text: str) -> None:
            account.count(n, text)
            bar.update(task, advance=n)

        yield update


@contextmanager
def _lines(account: _Account, note: Callable[[str], None], brief: bool) -> Iterator[_Update]:
    """A line every `QUIET_SECONDS`, by a thread: nothing may end for minutes."""
    over, lock = threading.Event(), threading.Lock()

    def beat() -> None:
        while not over.wait(QUIET_SECONDS):
            # a notebook may have taken its streams away
            with lock, suppress(AttributeError, ValueError):
                note(str(account))

    def update(n: int, text: str) -> None:
        with lock:
            account.count(n, text)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield update
    finally:
        over.set()
        thread.join()
    if account.done and not brief:
        note(str(account))
