"""`sweep-store status`: how far a store is, once or again and again while it is being filled."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.cli.tables import console
from sweep.engines import ATTEMPTS
from sweep.errors import ConfigError
from sweep.statistics.progress import Place, StoreProgress, store_progress
from sweep.store import Store

WATCH_SECONDS = 5.0
"""Between two looks, where `--watch` says nothing else."""

_DAY = 86400.0
_UNITS_NAMED = 5


def show_status(
    path: str | Path,
    watch: float | None = None,
    *,
    as_json: bool = False,
    errors: bool = False,
) -> None:
    """Print the status of the store at `path`.

    Args:
        path: the store.
        watch: seconds between looks, until nothing is missing or Ctrl-C; None looks once.
        as_json: print objects for programs, when watching one a line.
        errors: print the newest traceback of each kind of failure.

    Raises:
        ConfigError: `watch` is no time to wait.
        StoreError: the store cannot be read.
    """
    if watch is None:
        _show(store_progress(Store(path)), as_json, errors, indent=2)
        return
    if not 0 < watch <= _DAY:
        raise ConfigError(f"--watch {watch:g}: expected seconds, above 0 and up to a day")
    with suppress(KeyboardInterrupt):
        _watch(path, watch, as_json, errors)


def _watch(path: str | Path, seconds: float, as_json: bool, errors: bool) -> None:
    out = console()
    if as_json or not out.is_terminal:
        for progress in _looks(path, seconds):
            _show(progress, as_json, errors)
            if not as_json and progress.units_missing:
                out.print()
        return
    looks = _looks(path, seconds)
    first = next(looks)  # what is wrong with the store is said before the screen is taken
    live = Live(Group(*_view(first, errors)), console=out, auto_refresh=False)
    try:  # `with` would leave the cursor hidden after a Ctrl-C during the first picture
        live.start(refresh=True)
        for progress in looks:
            live.update(Group(*_view(progress, errors)), refresh=True)
    finally:
        live.stop()


def _looks(path: str | Path, seconds: float) -> Iterator[StoreProgress]:
    """A look at the store every so many seconds; the last one finds nothing missing."""
    while True:
        progress = store_progress(Store(path))
        yield progress
        if not progress.units_missing:
            return
        time.sleep(seconds)


def _show(
    progress: StoreProgress, as_json: bool, errors: bool, *, indent: int | None = None
) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(progress), indent=indent) + "\n")
        sys.stdout.flush()
        return
    out = console()
    for part in _view(progress, errors):
        # lines stay whole: paths and messages are not to be broken
        out.print(part, soft_wrap=isinstance(part, Text))


def _view(progress: StoreProgress, errors: bool) -> Iterator[RenderableType]:
    p = progress
    yield Text(f"{p.path}: {p.experiments} experiments in {p.segments} segments")
    total = p.units_done + p.units_missing
    yield Text(f"units: {p.units_done} of {total} recorded, {p.units_missing} missing")
    if p.statuses:
        ended = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(p.statuses.items()))
        yield Text(f"fits: {ended}; {p.seconds:.0f} s of work")
    if p.groups:
        yield _table(p)
    yield from map(Text, _failure_lines(p))
    if p.rate is not None:
        left = "" if p.eta is None else f"; {p.fits_missing} fits left: about {span(p.eta)}"
        yield Text(f"rate: {p.rate:.3g} fits/s{left}")
    if p.age is not None:
        yield Text(f"last write: {span(p.age)} ago")
    for place in p.places:
        yield Text(f"workers on {_workers(place, finished=not p.units_missing)}")
    if p.torn_lines:
        yield Text(f"{p.torn_lines} torn journal lines ignored (a worker was killed)")
    if errors:
        for kind in p.failures:
            yield Text(f"\nnewest traceback of: {kind.message}\n{kind.traceback.rstrip()}")


def _table(progress: StoreProgress) -> Table:
    """A row a group of experiments."""
    groups = progress.groups
    counts = ["experiments", "done", "missing"]
    if any(group.failed for group in groups):
        counts.append("failed")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in groups[0].settings:
        words = Text(name.replace(".", "\n"))
        table.add_column(words, overflow="fold", min_width=max(map(len, name.split("."))))
    for name in counts:
        table.add_column(name if name == "experiments" else f"fits\n{name}", justify="right")
    table.add_column("seconds\na fit", justify="right")
    for group in groups:
        table.add_row(
            *map(Text, group.settings.values()),
            *(str(getattr(group, name)) for name in counts),
            "-" if group.seconds is None else f"{group.seconds:.3g}",
        )
    return table


def _failure_lines(progress: StoreProgress) -> Iterator[str]:
    yield from map(str, progress.failures)
    if poisoned := progress.poisoned:
        more = "" if len(poisoned) <= _UNITS_NAMED else ", ..."
        named = ", ".join(poisoned[:_UNITS_NAMED]) + more
        yield f"poisoned: {len(poisoned)} units failed at attempt {ATTEMPTS} or later: {named}"
    if progress.failures:
        yield f"tracebacks: {progress.path}.sweep/logs; the newest of each kind: --errors"


def _workers(place: Place, *, finished: bool) -> str:
    by = f", {place.engine}" if place.engine else ""
    who = f"{place.host} ({place.device}{by}): "
    if finished:
        return f"{who}{place.workers}, {place.fits} fits"
    stale = f", {place.stale} stale" if place.stale else ""
    return f"{who}{place.writing} writing{stale}, {place.fits} fits, last {span(place.age)} ago"


def span(seconds: float) -> str:
    """A time as a person says it."""
    for name, size in (("d", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return (
                f"{seconds / size:.1f} {name}"
                if seconds < 10 * size
                else (f"{seconds / size:.0f} {name}")
            )
    return f"{seconds:.0f} s"
