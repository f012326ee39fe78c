"""Units that others compute, seen through the store."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.grid import Outcome
    from sweep.grid.plan import Package, Task


class Watch:
    """Which units are still to come, seen through the store."""

    def __init__(self, packages: "Sequence[Package]") -> None:
        self._packages = packages
        self._store = packages[0].store
        self._todo: dict[Any, Task] = {t.unit: t for p in packages for t in p.tasks}
        self._known = set(self._read().errors())

    def _read(self) -> Any:
        from sweep.store import Store

        return Store(self._store)

    def left(self) -> "list[Package]":
        """Packages of which a unit is neither recorded nor failed."""
        return [p for p in self._packages if any(t.unit in self._todo for t in p.tasks)]

    def count(self, units: Iterable[Any]) -> int:
        """How many of these units are neither recorded nor failed."""
        return sum(unit in self._todo for unit in units)

    def news(self) -> "list[Outcome]":
        """Units that have been recorded, or have failed, since the last look."""
        from sweep.grid import Outcome

        store = self._read()
        ended = [
            Outcome(self._todo.pop(unit), records[0].statuses)
            for unit, records in store.records.items()
            if unit in self._todo
        ]
        failures = set(store.errors())
        for failure in failures - self._known:
            if failure.final and failure.unit in self._todo:
                ended.append(Outcome(self._todo.pop(failure.unit), {}, failure.message))
        self._known = failures
        return ended

    def given_up(self, reason: str) -> "list[Outcome]":
        """All that is left, as failed."""
        from sweep.grid import Outcome

        left = [Outcome(task, {}, reason, died=True) for task in self._todo.values()]
        self._todo.clear()
        return left

    def left_out(self, units: Iterable[Any], reason: str) -> "list[Outcome]":
        """What is left of these units, as not to be computed."""
        from sweep.grid import Outcome

        tasks = [self._todo.pop(unit) for unit in units if unit in self._todo]
        return [Outcome(task, {}, reason, cancelled=True) for task in tasks]
