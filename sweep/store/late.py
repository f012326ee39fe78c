"""What one machine has published may be seen later on another: network file systems cache."""

import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from sweep.errors import StoreError
from sweep.store.segment import REPLACES, read_metadata, segment_names

LATE_SECONDS = 60.0
"""So long a client of NFS may show a folder as it was (`acdirmax`)."""

_PAUSE = 0.2


@lru_cache(maxsize=4096)  # a segment that does not come is waited for once
def await_segments(path: str, names: frozenset[str], seconds: float = LATE_SECONDS) -> bool:
    """Wait until the store at `path` is there with its segments `names`, but not for ever.

    Args:
        path: the store.
        names: segments that somebody has published; one that `compact` replaced counts as there.
        seconds: how long to wait at most, by this process's own clock.

    Returns:
        Whether all are there.
    """
    end = time.monotonic() + seconds
    while not (there := names <= set(_visible(Path(path)))) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return there


def _visible(path: Path) -> Iterator[str]:
    if not (path / "zarr.json").exists():
        return
    for name in segment_names(path):
        try:
            yield read_metadata(path / name)["attributes"].get(REPLACES, "")
        except StoreError:
            continue  # its folder came before its files
        yield name
