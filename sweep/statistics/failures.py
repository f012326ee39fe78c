"""System errors by kind: what messages say, but for the numbers in them."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sweep.store import Failure


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


def failure_kinds(failures: Iterable[Failure]) -> tuple[FailureKind, ...]:
    """Failures by message, whatever the numbers in it; the most frequent kind first."""
    kinds: defaultdict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        kinds[_without_numbers(failure.message)].append(failure)
    found = [
        FailureKind(
            message=same[0].message if len({f.message for f in same}) == 1 else kind,
            times=len(same),
            units=len({f.unit for f in same}),
            attempt=max(f.attempt for f in same),
            hosts=tuple(sorted({f.host for f in same})),
            traceback=max(same, key=lambda f: f.time).traceback,
        )
        for kind, same in kinds.items()
    ]
    return tuple(sorted(found, key=lambda kind: (-kind.times, kind.message)))


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
