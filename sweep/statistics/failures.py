"""System errors by kind: what messages say, but for the numbers in them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from sweep.store import Failure, Store

T = TypeVar("T")


@dataclass(frozen=True)
class FailureKind:
    """System errors of missing units that say the same, but for numbers.

    Attributes:
        message: as logged; with `#` for each number where messages differ in them.
        times: how often it was logged.
        units: how many it met.
        attempt: the highest one.
        hosts: where.
        traceback: the newest.
    """

    message: str
    times: int
    units: int
    attempt: int
    hosts: tuple[str, ...]
    traceback: str

    def __str__(self) -> str:
        where = f"attempt {self.attempt}, on {', '.join(self.hosts)}"
        return f"failed: {self.times} times, {self.units} units: {self.message} ({where})"


def missing_failures(store: Store) -> list[Failure]:
    """System errors of units that are not recorded yet."""
    missing = frozenset(store.pending_units())
    return [failure for failure in store.errors() if failure.unit in missing]


def failure_lines(store: Store) -> list[str]:
    """What keeps units of a store from being recorded, a line for each kind."""
    return list(map(str, failure_kinds(missing_failures(store))))


def by_kind(items: Iterable[T], message: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Group what says the same but for numbers, the most frequent first.

    Returns:
        For each kind its message, with `#` for each number where messages differ in them, and what
        is of that kind.
    """
    kinds: defaultdict[str, list[T]] = defaultdict(list)
    for item in items:
        kinds[_without_numbers(message(item))].append(item)
    found = [
        (message(same[0]) if len({message(item) for item in same}) == 1 else kind, same)
        for kind, same in kinds.items()
    ]
    return sorted(found, key=lambda one: (-len(one[1]), one[0]))


def failure_kinds(failures: Iterable[Failure]) -> tuple[FailureKind, ...]:
    """Failures by message, whatever the numbers in it; the most frequent kind first."""
    return tuple(
        FailureKind(
            message=message,
            times=len(same),
            units=len({f.unit for f in same}),
            attempt=max(f.attempt for f in same),
            hosts=tuple(sorted({f.host for f in same})),
            traceback=max(same, key=lambda f: f.time).traceback,
        )
        for message, same in by_kind(failures, lambda failure: failure.message)
    )


_NUMBER = re.compile(
    r"""-?(?:
        0x[0-9a-f]+                                     # an address
        | (?>\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?!\w)         # a number
        | (?<!\w)(?=[a-f]*\d)[0-9a-f]{6,}(?!\w)         # a hash
        | \d+(?:\.\d+)?                                 # digits of a word, of 16GB say
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def _without_numbers(message: str) -> str:
    return _NUMBER.sub("#", message)
