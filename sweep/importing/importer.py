"""Result folders of furax-cs into a store: what they hold becomes recorded units."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from sweep.errors import ConfigError
from sweep.importing.fit_arrays import fit_arrays
from sweep.importing.furax_cs import FILES, PROGRAM, RESULTS, Run, read_folder
from sweep.mask import Mask
from sweep.progress import Progress
from sweep.provenance import provenance
from sweep.store import (
    NOISELESS,
    ExperimentEntry,
    SegmentSpec,
    Store,
    Unit,
    UnitWriter,
    WorkerInfo,
    publish,
    seal,
)
from sweep.store.files import store_path
from sweep.worker import unit_arrays

Maps = Literal["none", "float32", "float64"]

MOST_BYTES = 64 * 2**20
"""Realisations of an experiment share a unit as long as its maps stay below."""

_COPIED = 0
"""Attempt of a unit that was not computed here: its time says nothing of the cost of a fit."""


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        folders: result folders that were read.
        experiments: what they hold, without what they hold twice.
        fits: fits that were added to the store, with noise-free ones; 0 where it had them all.
    """

    folders: int
    experiments: int
    fits: int


@dataclass(frozen=True, eq=False)
class _Source:
    """Where a run is found, and what of it a segment is laid out by."""

    folder: Path
    point: int
    entry: ExperimentEntry
    realisations: tuple[int, ...]
    counts: dict[str, int]
    mask: Mask


def result_folders(path: str | Path) -> list[Path]:
    """The result folders at `path`: itself, or all below it that have results.

    Raises:
        ConfigError: there is none.
    """
    path = Path(path)
    if any((path / file).is_file() for file in FILES) or not path.is_dir():
        return [path]
    found = sorted(file.parent for file in path.rglob(RESULTS))
    if not found:
        raise ConfigError(f"{path}: no result folder of furax-cs here or below; none has {RESULTS}")
    return found


def import_folders(
    folders: Sequence[str | Path], store: str | Path, maps: Maps, progress: Progress
) -> Imported:
    """Add result folders to a store, which is made if it is not there.

    Every folder is checked before anything is created. What the store has already is left as it
    is, so that an import that was killed goes on where it stopped.

    Args:
        folders: as `result_folders` finds them.
        store: the store.
        maps: how recovered CMB maps are kept.
        progress: what is shown meanwhile.

    Raises:
        ConfigError: a folder cannot be used; the message names it.
        StoreError: the store cannot be read or written.
    """
    store = store_path(store)
    sources: dict[str, _Source] = {}
    with progress.checking(len(folders)) as checked:
        for folder in map(Path, folders):
            for source in _sources(folder):
                sources.setdefault(source.entry.identity, source)
            checked()
    there = Store(store) if store.exists() else None
    if maps != "none":
        _check_nside(there, sources.values())
    for spec in list(_segments(there, sources, maps)):
        publish(store, spec)
    fits = _write_missing(Store(store), sources, progress)
    seal(store)
    return Imported(len(folders), len(sources), fits)


def _sources(folder: Path) -> Iterator[_Source]:
    for point, run in enumerate(read_folder(folder)):
        first = 0 if run.systematic is None else NOISELESS
        yield _Source(
            folder=folder,
            point=point,
            entry=ExperimentEntry(run.identity, run.config),
            realisations=tuple(range(first, len(run.cmb))),
            counts={p: values.shape[1] for p, values in run.params.items()},
            mask=run.mask,
        )


def _check_nside(there: Store | None, sources: Iterable[_Source]) -> None:
    """Maps of a store share one axis of pixels; no import may end that."""
    segments = there.segments.values() if there else ()
    nsides = {s.nside for s in segments if s.layout.maps} | {s.mask.nside for s in sources}
    if len(nsides) > 1:
        raise ConfigError(
            f"maps of nside {', '.join(map(str, sorted(nsides)))} cannot be opened as one dataset: "
            "import with --maps none, or into another store"
        )


def _segments(
    there: Store | None, sources: Mapping[str, _Source], maps: Maps
) -> Iterator[SegmentSpec]:
    """Segments for the (experiment, realisation) pairs that the store does not have."""
    groups: dict[tuple, list[_Source]] = defaultdict(list)
    for identity, source in sources.items():
        known = there.published(identity) if there else frozenset()
        missing = tuple(r for r in source.realisations if r not in known)
        if missing:
            kept = source.mask.digest if maps != "none" else ""
            groups[missing, source.mask.nside, kept].append(source)
    for (missing, nside, _), members in groups.items():
        pixels = members[0].mask.pixels
        names = sorted({source.folder.resolve().name for source in members})
        yield SegmentSpec(
            experiments=tuple(source.entry for source in members),
            realisations=missing,
            block=min(len(missing), max(1, MOST_BYTES // (2 * pixels.size * 8))),
            clusters={p: max(source.counts[p] for source in members) for p in members[0].counts},
            nside=nside,
            parameters=True,
            maps=None if maps == "none" else maps,
            spectra="alm",
            pixels=pixels,
            provenance=provenance() | {"imported": {"program": PROGRAM, "folders": names}},
        )


def _write_missing(store: Store, sources: Mapping[str, _Source], progress: Progress) -> int:
    """Write the units of `sources` that are not recorded; returns how many fits they hold."""
    units = [unit for unit in store.pending_units() if _held(store, unit) & sources.keys()]
    read = lru_cache(maxsize=1)(read_folder)
    writer = UnitWriter(store.path, WorkerInfo.create("import"))
    fits = 0
    with progress.looking(len(units)) as written:
        for unit in units:
            segment = writer.segment(unit.segment)
            rows, columns = segment.layout.slices(unit)
            runs = [_run(entry, sources, read) for entry in segment.spec.experiments[rows]]
            found = [fit_arrays(run, segment.realisations[columns]) for run in runs]
            arrays = unit_arrays(segment, found)
            record = writer.write(unit, arrays, seconds=0.0, attempt=_COPIED)
            fits += sum(record.statuses.values())
            written()
    return fits


def _held(store: Store, unit: Unit) -> set[str]:
    """Identities of the experiments of a unit."""
    segment = store.segments[unit.segment]
    return set(segment.identities[segment.layout.slices(unit)[0]])


def _run(
    entry: ExperimentEntry,
    sources: Mapping[str, _Source],
    read: Callable[[Path], Sequence[Run]],
) -> Run:
    """The results of an experiment, read again."""
    source = sources.get(entry.identity)
    if source is None:
        raise ConfigError(
            f"{entry.config['imported.from']} shares a damaged unit with these folders: "
            "import it together with them"
        )
    runs = read(source.folder)
    if source.point >= len(runs) or runs[source.point].identity != entry.identity:
        raise ConfigError(f"{source.folder}: changed during the import: run the same command again")
    return runs[source.point]
