"""How far a store is: what is done, missing and failed, how fast it goes, and who writes."""

import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

import psutil

from sweep.engines import ATTEMPTS
from sweep.statistics.failures import FailureKind, failure_kinds, missing_failures
from sweep.store import Record, Segment, Store, Unit
from sweep.store.columns import ABSENT

GROUPED_BY = ("solver.name", "mask.expression")
"""Configuration keys that make groups of experiments, where they differ."""

RATE_UNITS = 50
RATE_SECONDS = 600.0
"""The rate is that of the last `RATE_UNITS`, or of these seconds, whichever are more units."""

PAUSE_SECONDS = 60.0
"""What passes between two units beyond the time of the later one is a pause, if longer."""

STALE_SECONDS = 300.0
"""A worker may be silent for so long, or for three times the longest unit."""


@dataclass(frozen=True)
class Group:
    """Fits of the experiments that share `settings`.

    Attributes:
        settings: what tells the group from the others; the segment where no setting does.
        experiments: their number.
        done, missing, failed: fits; the failed ones, of units with errors, are missing too.
        seconds: of work a fit, None where none is done.
    """

    settings: dict[str, str]
    experiments: int
    done: int
    missing: int
    failed: int
    seconds: float | None


@dataclass(frozen=True)
class Place:
    """Workers of one host, kind of device and engine that have recorded a unit.

    Attributes:
        host, device, engine: as recorded; no engine where none was.
        workers: their number; `writing` of them wrote lately, `stale` ones did not though units
            are missing, or are no processes of this host any more: they have ended, were killed,
            or hang.
        fits: what they recorded.
        age: seconds since the last of it.
    """

    host: str
    device: str
    engine: str
    workers: int
    writing: int
    stale: int
    fits: int
    age: float


@dataclass(frozen=True)
class StoreProgress:
    """How far a store is.

    Attributes:
        path: the store.
        experiments, segments: their numbers.
        units_done, units_missing: as `Store` counts them.
        fits_done, fits_missing: what these units hold.
        statuses: recorded fits by how they ended.
        seconds: of work that was recorded.
        groups: fits by what tells experiments apart.
        failures: errors of missing units by kind, the most frequent first.
        poisoned: missing units that failed at attempt `ATTEMPTS`, or later.
        rate: fits a second over the last records; None without records.
        eta: seconds to the end at that rate; None where nothing is missing or nobody writes.
        age: seconds since the last record.
        places: workers by host, device and engine.
        torn_lines: journal lines that cannot be read.
    """

    path: str
    experiments: int
    segments: int
    units_done: int
    units_missing: int
    fits_done: int
    fits_missing: int
    statuses: dict[str, int]
    seconds: float
    groups: tuple[Group, ...]
    failures: tuple[FailureKind, ...]
    poisoned: tuple[str, ...]
    rate: float | None
    eta: float | None
    age: float | None
    places: tuple[Place, ...]
    torn_lines: int


def store_progress(store: Store, now: float | None = None) -> StoreProgress:
    """Look at a store, as it was when first read.

    Times are those of the writers' clocks, and for information only.

    Args:
        store: the store.
        now: seconds since 1970; this machine's clock by default.
    """
    now = time.time() if now is None else now
    done, missing = store.done_units(), frozenset(store.pending_units())
    failures = missing_failures(store)
    recorded = {unit: store.records[unit] for unit in done if unit in store.records}
    first = [records[0] for records in recorded.values()]
    # what a store without journals was found to hold has no time of its own
    written = [r for records in recorded.values() for r in records if r.attempt > 0]
    limit = max(3 * max((r.seconds for r in written), default=0.0), STALE_SECONDS)
    last = max((_moment(r) for r in written), default=None)
    age = None if last is None else max(now - last, 0.0)
    statuses: Counter[str] = Counter()
    for record in first:
        statuses.update(record.statuses)
    rate = fit_rate([r for r in first if r.attempt > 0])
    fits_missing = sum(_fits(store, unit) for unit in missing)
    places = _places(written, now, limit, bool(missing))
    running = fits_missing > 0 and any(place.writing for place in places)
    return StoreProgress(
        path=str(store.path),
        experiments=len({i for s in store.segments.values() for i in s.identities}),
        segments=len(store.segments),
        units_done=len(done),
        units_missing=len(missing),
        fits_done=sum(_fits(store, unit) for unit in done),
        fits_missing=fits_missing,
        statuses=dict(statuses),
        seconds=sum(r.seconds for r in first),
        groups=_groups(store, {f.unit for f in failures}),
        failures=failure_kinds(failures),
        poisoned=tuple(sorted({str(f.unit) for f in failures if f.attempt >= ATTEMPTS})),
        rate=rate,
        eta=fits_missing / rate if rate and running else None,
        age=age,
        places=places,
        torn_lines=store.skipped_lines,
    )


def fit_rate(records: Iterable[Record]) -> float | None:
    """Fits a second over the last records, back to a pause; None where there are none."""
    recent: list[Record] = []
    for record in sorted(records, key=_moment, reverse=True):
        if recent:
            enough = _moment(recent[0]) - _moment(record) > RATE_SECONDS
            gap = _moment(recent[-1]) - _moment(record)
            paused = gap > recent[-1].seconds + PAUSE_SECONDS
            if paused or (enough and len(recent) >= RATE_UNITS):
                break
        recent.append(record)
    if not recent:
        return None
    span = _moment(recent[0]) - _moment(recent[-1])
    if span > max(r.seconds for r in recent):
        recent.pop()  # its work lies before the span
    else:  # too few for that: count from when the first of them was begun
        span = _moment(recent[0]) - min(_moment(r) - r.seconds for r in recent)
    return sum(_recorded_fits(r) for r in recent) / span if span > 0 else None


def _moment(record: Record) -> float:
    return _seconds_since_1970(record.time)


@lru_cache(maxsize=100_000)  # watching sees the same lines again and again
def _seconds_since_1970(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _recorded_fits(record: Record) -> int:
    return sum(record.statuses.values())


def _fits(store: Store, unit: Unit) -> int:
    rows, columns = store.segments[unit.segment].layout.slices(unit)
    return (rows.stop - rows.start) * (columns.stop - columns.start)


def _groups(store: Store, failed: set[Unit]) -> tuple[Group, ...]:
    """A unit counts for the group of each of its experiments, with an equal share of its time."""
    labels = _labels(store.segments.values())
    members: defaultdict[tuple, set[str]] = defaultdict(set)
    for segment in store.segments.values():
        for identity, label in zip(segment.identities, labels[segment.name], strict=True):
            members[label].add(identity)
    fits: dict[str, Counter[tuple]] = {n: Counter() for n in ("done", "missing", "failed", "timed")}
    seconds: defaultdict[tuple, float] = defaultdict(float)

    def count(what: str, unit: Unit, work: float = 0.0) -> None:
        rows, columns = store.segments[unit.segment].layout.slices(unit)
        of = labels[unit.segment][rows]
        for label in of:
            fits[what][label] += columns.stop - columns.start
            seconds[label] += work / len(of)

    for unit in store.done_units():
        count("done", unit)
        record = next(iter(store.records.get(unit, ())), None)
        if record is not None and record.attempt > 0:
            count("timed", unit, record.seconds)
    for unit in store.pending_units():
        count("missing", unit)
    for unit in failed:
        count("failed", unit)
    return tuple(
        Group(
            settings=dict(label),
            experiments=len(identities),
            done=fits["done"][label],
            missing=fits["missing"][label],
            failed=fits["failed"][label],
            seconds=seconds[label] / n if (n := fits["timed"][label]) else None,
        )
        for label, identities in sorted(members.items())
    )


def _labels(segments: Iterable[Segment]) -> dict[str, list[tuple[tuple[str, str], ...]]]:
    """Of each experiment of each segment, by position, the settings that make its group."""
    values = {s.name: {key: _setting(s, key) for key in GROUPED_BY} for s in segments}
    differing = [
        key for key in GROUPED_BY if len({v for of in values.values() for v in of[key]}) > 1
    ]
    if not differing:
        return {n: [(("segment", n),)] * len(of[GROUPED_BY[0]]) for n, of in values.items()}
    names = [key.removesuffix(".name") for key in differing]
    return {
        name: [
            tuple(zip(names, row, strict=True))
            for row in zip(*(of[key] for key in differing), strict=True)
        ]
        for name, of in values.items()
    }


def _setting(segment: Segment, key: str) -> list[str]:
    """What each experiment of the segment has for `key`, `-` where it has none."""
    if key in segment.swept:
        values: Sequence[Any] = segment.columns[key].decode()
    else:
        values = [segment.base.get(key, ABSENT)] * len(segment.identities)
    return ["-" if value is ABSENT else str(value) for value in values]


def _ended(host: str, worker: str, last: float) -> bool:
    """Whether a worker was a process of this host, and is no more; elsewhere nobody knows."""
    pid = worker.removeprefix(f"{host}-").partition("-")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return psutil.Process(int(pid)).create_time() > last  # another with the same number
    except psutil.NoSuchProcess:
        return True


def _places(
    written: Sequence[Record], now: float, limit: float, unfinished: bool
) -> tuple[Place, ...]:
    def place(record: Record) -> tuple[str, str, str]:
        return record.host, record.device, record.engine

    places = []
    for (host, device, engine), of in groupby(sorted(written, key=place), place):
        records = list(of)
        last: dict[str, float] = {}
        for record in records:
            last[record.worker] = max(last.get(record.worker, 0.0), _moment(record))
        silent = sum(now - m > limit or _ended(host, w, m) for w, m in last.items())
        places.append(
            Place(
                host=host,
                device=device,
                engine=engine,
                workers=len(last),
                writing=len(last) - silent,
                stale=silent if unfinished else 0,
                fits=sum(map(_recorded_fits, records)),
                age=max(now - max(last.values()), 0.0),
            )
        )
    return tuple(places)
