"""What is slow to read is read in a thread, before it is asked for."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST = 2
"""So many results wait at most: one that is being made, and one behind it."""


@contextmanager
def ahead(make: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Callable[[Item], Made]]:
    """A function that gives what `make` does, made in a thread in the order of `items`.

    Asked for in that order, each is made while the caller works on the one before. Any other item,
    or one a second time, is made when it is asked for.

    Args:
        make: reads, say; an error of it is raised where the result is asked for.
        items: what will be asked for, in this order.
    """
    coming = deque(items)
    waiting: dict[Item, Future[Made]] = {}
    with ThreadPoolExecutor(1, "ahead") as thread:

        def submit() -> None:
            while coming and len(waiting) < MOST:
                item = coming.popleft()
                waiting[item] = thread.submit(make, item)

        def get(item: Item) -> Made:
            future = waiting.pop(item, None)
            if future is None:
                return make(item)
            found = future.result()
            submit()
            return found

        submit()
        try:
            yield get
        finally:
            thread.shutdown(cancel_futures=True)
