"""What a launch shows while it works: a bar in a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from sweep.alarms import without_alarms

if TYPE_CHECKING:
    from sweep.worker import Outcome  # which imports jax

QUIET_SECONDS = 20.0
"""Without a terminal, at most one line in this time."""


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
    def checking(self, total: int) -> Iterator[Callable[[], None]]:
        """While experiments are checked; the given function counts one."""
        with self._bar("experiments checked", total, "") as update:
            yield lambda: update(1, "")

    @contextmanager
    def piloting(self) -> Iterator[Callable[[], None]]:
        """While a few fits are timed; the given function counts an experiment."""
        with self._bar("experiments timed", None, "") as update:
            yield lambda: update(1, "")

    @contextmanager
    def looking(self, total: int) -> Iterator[Callable[[], None]]:
        """While experiments of a store are looked at; the given function counts one."""
        with self._bar("experiments", total, "") as update:
            yield lambda: update(1, "")

    @contextmanager
    def running(self, total: int, fits: int) -> Iterator[Callable[["Outcome"], None]]:
        """While units are computed; the given function counts one that ended."""
        counts: dict[str, int] = {}

        def ended(outcome: "Outcome") -> None:
            for status, n in (outcome.statuses or {"failed unit": 1}).items():
                counts[status] = counts.get(status, 0) + n
            update(1, ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in counts.items()))

        self.note(f"{total} units to compute, {fits} fits")
        with self._bar("units", total, "") as update:
            yield ended

    @contextmanager
    def _bar(self, what: str, total: int | None, text: str) -> Iterator[Callable[[int, str], None]]:
        if self.console is None:
            yield lambda n, text: None
            return
        if not self.console.is_terminal:
            yield self._lines(what, total)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with without_alarms(), Bar(*columns, console=self.console) as bar:
            task = bar.add_task(what, total=total, text=text)
            yield lambda n, text: bar.update(task, advance=n, text=text)

    def _lines(self, what: str, total: int | None) -> Callable[[int, str], None]:
        start = last = time.monotonic()
        done = 0

        def update(n: int, text: str) -> None:
            nonlocal done, last
            done += n
            now = time.monotonic()
            if now - last < QUIET_SECONDS and done != total:
                return
            last = now
            if total is None:
                self.note(f"{done} {what}, {now - start:.0f} s")
                return
            left = (now - start) / done * (total - done)
            self.note(f"{done}/{total} {what}, {now - start:.0f} s, {left:.0f} s left  {text}")

        return update
