"""Sealing: what is recorded goes into the store itself, so that a copy stands alone."""

from pathlib import Path

import numpy as np

from sweep.store.chunks import chunk_name, encode_chunk
from sweep.store.files import fsync, write_atomic, writing
from sweep.store.reader import Store


def seal(path: str | Path) -> None:
    """Write each segment's mask of recorded units, whole, by one rename.

    Called when a launch ends. The masks count only where no journal folder is beside the store.

    Raises:
        StoreError: there is no store at `path`, or it cannot be written.
    """
    store = Store(path)
    done = store.done_units()
    for segment in store.segments.values():
        mask = np.zeros(segment.layout.blocks, dtype="int8")
        for unit in segment.units():
            mask[unit.experiment_block, unit.realisation_block] = unit in done
        file = segment.folder / "recorded" / chunk_name((0, 0))
        with writing(file):
            write_atomic(file, encode_chunk(mask, mask.shape, 0))
            fsync(file.parent)
