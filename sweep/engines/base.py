"""The contract of an engine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from sweep.grid import Outcome
    from sweep.grid.plan import Package

Worker = Callable[["Package"], "list[Outcome]"]
"""Computes a package and records its units itself; must not raise for a unit that fails."""

Say = Callable[[str], None]
"""Is called with a line about what happens on the way."""

ATTEMPTS = 3
"""How often a package is tried whose worker dies."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Lost:
    """Stands for a result that does not come, because its worker died over it.

    Attributes:
        reason: in one line.
    """

    reason: str


@dataclass(frozen=True)
class Detached:
    """Jobs that go on after `Engine.run` has returned.

    Attributes:
        jobs: ids of those that it submitted.
        units: that they are to record.
        before: ids of jobs that were there before, and are to record the others.
    """

    jobs: tuple[str, ...]
    units: int
    before: tuple[str, ...]


def unsaid(line: str) -> None:
    """Keep what is said to oneself."""


class Engine(ABC):
    """Carries work to workers: `map` hands back what they find, `run` leaves it in a store.

    An engine has one of the two of its own. Without `map` it does in this process what is to be
    handed back.

    Attributes:
        name: what records call it, as in `hydra/launcher=...`.
    """

    name: ClassVar[str] = ""

    @abstractmethod
    def workers(self) -> int:
        """How many packages are computed at the same time."""

    def started(self, packages: int) -> str:
        """What computes so many packages, in a few words."""
        return f"{min(self.workers(), packages)} workers"

    def check(self, packages: int) -> None:
        """See, before anything is made, whether so many packages can be computed at all.

        Raises:
            ConfigError: what was asked for cannot be had.
        """
        del packages

    def left_behind(self, store: str) -> "Iterator[str]":
        """Clear away what launches into `store` that died have left; a line for each.

        Args:
            store: path of the store.
        """
        del store
        yield from ()

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> "Generator[tuple[int, Result | Lost]]":
        """Call a function of every item, in any order; yields (position, result) as each ends.

        An item whose worker dies is tried again, three times in all, then it is lost. Closing the
        generator stops the workers.
        """
        yield from enumerate(map(function, items))

    def run(
        self, packages: "Sequence[Package]", worker: Worker, say: Say = unsaid
    ) -> "Iterator[list[Outcome]]":
        """Compute every package, in any order; yields the outcomes of each as it ends.

        A package whose worker dies is tried again, three times in all, then its units come back
        with an error. Closing the iterator stops the workers.
        """
        from sweep.grid import Outcome

        del say
        with closing(self.map(worker, packages)) as running:
            for position, ended in running:
                if isinstance(ended, Lost):
                    tasks = packages[position].tasks
                    yield [Outcome(task, {}, ended.reason, died=True) for task in tasks]
                else:
                    yield ended

    @property
    def detached(self) -> Detached | None:
        """Jobs that go on after `run` has returned; None where all is done that can be."""
        return None
