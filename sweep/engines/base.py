"""The contract of an engine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sweep.grid.plan import Package
    from sweep.worker import Outcome

Worker = Callable[["Package"], "list[Outcome]"]
"""Computes a package and records its units itself; must not raise for a unit that fails."""

ATTEMPTS = 3
"""How often a package is tried whose worker dies."""


class Engine(ABC):
    """Carries packages to workers. Results travel through the store, only outcomes come back.

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

    def rehearsal(self) -> "Engine":
        """An engine at hand, with workers like those of this one, to time a few fits with."""
        return self

    def left_behind(self, store: str) -> "Iterator[str]":
        """Clear away what launches into `store` that died have left; a line for each.

        Args:
            store: path of the store.
        """
        del store
        yield from ()

    @abstractmethod
    def run(self, packages: "Sequence[Package]", worker: Worker) -> "Iterator[list[Outcome]]":
        """Compute every package, in any order; yields the outcomes of each as it ends.

        A package whose worker dies is tried again, three times in all, then its units come back
        with an error. Closing the iterator stops the workers.
        """

    @property
    def detached(self) -> tuple[str, ...]:
        """Jobs that go on after `run` has returned, by their ids."""
        return ()
