"""Compaction: finished segments with few large chunks, in place of those with one chunk a unit."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from sweep.quantities.table import VARIABLES
from sweep.store.chunks import chunk_name, encode_chunk
from sweep.store.claim import claimed
from sweep.store.files import PARTIAL, folder_published, fsync, sidecar, store_path, writing
from sweep.store.fold import append, fold
from sweep.store.journal import Journal
from sweep.store.publish import Content, fill
from sweep.store.reader import Store
from sweep.store.records import (
    Record,
    WorkerInfo,
    count_statuses,
    hash_file,
    journal_folder,
    make_record,
    now,
    tag,
    to_line,
)
from sweep.store.schema import Layout, Unit
from sweep.store.seal import seal
from sweep.store.segment import PREFIX, REPLACES, Segment, check_root, read_metadata

LARGEST = 2**25
"""Bytes of a chunk, before compression, that compaction does not go beyond."""


def _pass(step: str) -> None:
    """The checkpoint of normal operation."""


@dataclass(frozen=True)
class CompactReport:
    """What `compact` did.

    `compacted` are the segments that were replaced, `unfinished` those left alone because units
    of them are not recorded; `journals` went into one; `before` and `after` count the files of
    the store and of the folder beside it.
    """

    compacted: tuple[str, ...]
    unfinished: tuple[str, ...]
    journals: int
    before: int
    after: int


def compact(path: str | Path, *, checkpoint: Callable[[str], None] = _pass) -> CompactReport:
    """Bring the finished segments of the store at `path` into few files, and its journals into one.

    Readers and workers may go on meanwhile. Killed at any step, it leaves a whole store, and
    the next one goes on.

    Args:
        path: the store.
        checkpoint: called after each step with its name ("built", "published", "recorded",
            "retracted", "moved", "deleted", "resting", "folded", "removed"); for tests of crashes.

    Raises:
        StoreError: there is no store, another process compacts it, it cannot be written, or a
            recorded chunk is missing or damaged; the segment it belongs to is then as it was.
    """
    path = store_path(path)
    check_root(path)
    before = _files(path)
    with (
        claimed(sidecar(path) / f"{tag(path)}-compact.claim", "is compacting this store"),
        _aside(path) as aside,
    ):
        work = _Compaction(path, aside, WorkerInfo.create(), checkpoint)
        work.tidy()
        store = Store(path)
        finished = {name for name, s in store.segments.items() if store.recorded(s).all()}
        chosen = [
            segment
            for name, segment in store.segments.items()
            if name in finished and coarse(segment.layout).blocks != segment.layout.blocks
        ]
        for segment in chosen:
            work.replace(store, segment)
        gone = {_replaced(segment) for segment in Store(path).segments.values()}
        journals = fold(path, gone, checkpoint)
        if chosen:
            seal(path)  # a launch that ended meanwhile may have sealed a copy before its records
    return CompactReport(
        compacted=tuple(segment.name for segment in chosen),
        unfinished=tuple(name for name in store.segments if name not in finished),
        journals=journals,
        before=before,
        after=_files(path),
    )


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A folder for segments that are being built or deleted, empty at first and gone at the end."""
    folder = sidecar(path) / f"{tag(path)}-compact"
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def coarse(layout: Layout) -> Layout:
    """The layout with the fewest units of which none is cut and none is beyond `LARGEST`."""
    cell = max(
        int(np.prod(layout.shape(name)[2:])) * layout.dtype(name).itemsize
        for name in layout.variables
    )
    fits = LARGEST // cell
    experiments, realisations = layout.sizes["experiment"], layout.sizes["realisation"]
    most = max(fits // layout.experiments_per_unit, layout.block)
    block = realisations if realisations <= most else most // layout.block * layout.block
    units = max(fits // (block * layout.experiments_per_unit), 1)
    together = min(units * layout.experiments_per_unit, experiments)
    return replace(layout, block=block, experiments_per_unit=together)


def _replaced(segment: Segment) -> str:
    return read_metadata(segment.folder)["attributes"].get(REPLACES, "")


def _files(path: Path) -> int:
    return sum(len(files) for top in (path, sidecar(path)) for _, _, files in os.walk(top))


class _Compaction:
    """The steps, on one store, of whoever holds the claim."""

    def __init__(
        self, path: Path, aside: Path, worker: WorkerInfo, checkpoint: Callable[[str], None]
    ) -> None:
        self._path, self._aside, self._worker = path, aside, worker
        self._checkpoint = checkpoint
        Journal(path, worker)  # a copy gets its journals first
        self._journal = journal_folder(path) / f"{tag(path)}-compact-{worker.id}.jsonl"

    def tidy(self) -> None:
        """Finish what a killed compaction left: of a segment and its copy one is removed."""
        store = Store(self._path)
        for segment in store.segments.values():
            old = store.segments.get(_replaced(segment))
            if old is not None:
                self._remove(store, old if store.recorded(segment).all() else segment)

    def replace(self, store: Store, segment: Segment) -> None:
        """Put a segment of the coarse layout in place of `segment`."""
        layout = coarse(segment.layout)
        # the same place in the order of publication, also among segments of one ordinal
        stem = segment.name[: len(PREFIX) + 12]
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        with folder_published(self._aside, self._path / name) as temporary:
            fill(temporary, _content(segment, layout))
            done = [
                self._copy(store, segment, layout, unit, temporary) for unit in layout.units(name)
            ]
            mask = np.ones(layout.blocks, dtype="int8")
            file = temporary / "recorded" / chunk_name((0, 0))
            file.write_bytes(encode_chunk(mask, mask.shape, 0))
            self._checkpoint("built")
        self._checkpoint("published")
        append(self._journal, map(to_line, done))
        self._checkpoint("recorded")
        self._remove(Store(self._path), segment)

    def _copy(
        self, store: Store, segment: Segment, layout: Layout, unit: Unit, folder: Path
    ) -> Record:
        """Write one unit of the new segment, from chunks that are what was recorded."""
        rows, columns = layout.slices(unit)
        within = np.zeros(segment.layout.blocks, dtype=bool)
        within[_blocks(rows, segment.layout.experiments_per_unit)] = True
        needed = np.zeros_like(within)
        realisations = _blocks(columns, segment.layout.block)
        needed[:, realisations] = within[:, realisations]
        index = (unit.experiment_block, unit.realisation_block)
        files = {}
        statuses: dict[str, int] = {}
        for name in layout.variables:
            rest = layout.shape(name)[2:]
            cut = (rows, columns, *(slice(0, n) for n in rest))
            region = tuple(np.arange(part.start, part.stop) for part in cut)
            values = store.read_many(segment, name, region, needed=needed, hashed=True)
            if name == "status":
                statuses = count_statuses(values)
            file = folder / name / chunk_name((*index, *(0 for _ in rest)))
            file.write_bytes(encode_chunk(values, layout.chunks(name), VARIABLES[name].fill))
            files[name] = hash_file(file)
        old = [
            store.records[Unit(segment.name, *block)][0] for block in np.argwhere(needed).tolist()
        ]
        worker = replace(self._worker, device=", ".join(sorted({r.device for r in old})))
        record = make_record(
            worker,
            unit,
            files,
            statuses,
            sum(record.seconds for record in old),
            max(record.attempt for record in old),
        )
        return replace(record, time=max(record.time for record in old))

    def _remove(self, store: Store, segment: Segment) -> None:
        """Take back the records of a segment that another holds as well, then delete it."""
        records = (
            record
            for unit, found in store.records.items()
            if unit.segment == segment.name
            for record in found
        )
        append(self._journal, (self._retraction(record) for record in records))
        self._checkpoint("retracted")
        moved = self._aside / f"{segment.name}{PARTIAL}"
        os.rename(segment.folder, moved)
        fsync(self._path)
        fsync(self._aside)
        self._checkpoint("moved")
        shutil.rmtree(moved)
        self._checkpoint("deleted")

    def _retraction(self, record: Record) -> dict:
        return {
            "kind": "retract",
            "record": record.id,
            "reason": "compacted",
            "worker": self._worker.id,
            "time": now(),
        }


def _blocks(positions: slice, size: int) -> slice:
    return slice(positions.start // size, -(-positions.stop // size))


def _content(segment: Segment, layout: Layout) -> Content:
    attributes = read_metadata(segment.folder)["attributes"]
    return Content(
        layout=layout,
        identities=segment.coordinate("identity"),
        realisations=segment.realisations,
        columns=segment.columns,
        nside=segment.nside,
        pixels=segment.coordinate("healpix_index") if layout.maps else None,
        attributes=attributes | {"layout": asdict(layout), REPLACES: segment.name},
    )
