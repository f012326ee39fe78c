"""Compiled programs that this process keeps, and forgets before there are too many of them.

A program of XLA takes tens to hundreds of memory mappings. Linux gives a process 65 530 of them
(`vm.max_map_count`); where XLA gets no more, it ends the process by a segmentation fault.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import jax

MAPPINGS = 20_000
"""With more mappings than these a process forgets its programs."""

_PROCESS = Path("/proc/self/maps")

Compile = TypeVar("Compile", bound=Callable[..., Any])

_caches: list[Any] = []


def keeping_programs(compile_: Compile) -> Compile:
    """A function that compiles, once for equal arguments, until its programs are forgotten."""
    cache = lru_cache(maxsize=32)(compile_)
    _caches.append(cache)
    return cache  # pyright: ignore[reportReturnType]


def mappings() -> int:
    """Memory mappings of this process; 0 where the system does not tell."""
    try:
        with _PROCESS.open("rb") as lines:
            return sum(1 for _ in lines)
    except OSError:
        return 0


def forget_surplus_programs() -> None:
    """Forget every compiled program if there are more than `MAPPINGS` mappings."""
    if mappings() > MAPPINGS:
        forget_programs()


def forget_programs() -> None:
    """Forget every compiled program; jax's cache on disk keeps them."""
    for cache in _caches:
        cache.cache_clear()
    jax.clear_caches()
