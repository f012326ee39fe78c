"""What a launch has to do: new segments for what the store does not have, then missing units."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from sweep.config.groups.run import StoreConf
from sweep.config.restore import restore
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.grid.experiment import Experiment
from sweep.grid.identity import identity
from sweep.store import SegmentSpec, Store, Unit, fit_axes


@dataclass(frozen=True)
class Task:
    """A unit with all that is needed to compute it.

    Attributes:
        unit: its address in the store.
        confs: the configurations of its experiments, in the order of the segment.
        realisations: the realisation numbers of its block.
    """

    unit: Unit
    confs: tuple[SweepConf, ...]
    realisations: tuple[int, ...]

    @property
    def fits(self) -> int:
        """Number of fits of the unit."""
        return len(self.confs) * len(self.realisations)


@dataclass(frozen=True)
class Package:
    """Units that one worker computes one after another.

    Attributes:
        store: path of the store.
        tasks: the units.
        engine: what carries them, for the record.
    """

    store: str
    tasks: tuple[Task, ...]
    engine: str


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    Attributes:
        task: the unit.
        statuses: number of fits by status name; empty where the unit failed.
        error: one line, or None where the unit is recorded.
        died: whether the worker died over it, so that nobody has logged the error yet.
        cancelled: whether a user took its job away: nothing failed, it is left out.
    """

    task: Task
    statuses: dict[str, int]
    error: str | None = None
    died: bool = False
    cancelled: bool = False


@dataclass(frozen=True)
class Geometry:
    """What the shapes of a segment depend on.

    Attributes:
        counts: clusters of every parameter, or more.
        nside: of the maps.
        pixels: RING indices of the kept pixels; only looked at where maps are stored.
        files: files that a realisation of the data is read from.
    """

    counts: Mapping[str, int]
    nside: int
    pixels: np.ndarray
    files: int


def axes_of_fit(
    kept: StoreConf, nside: int, counts: Mapping[str, int], pixels: int, files: int
) -> tuple[dict[str, int], str | None]:
    """Axes of what a store keeps of one fit, and the dtype of its maps, as for `fit_bytes`.

    Args:
        kept: what is to be kept.
        nside: resolution of the fit.
        counts: clusters of every parameter, or more.
        pixels: number of the kept pixels.
        files: files that a realisation of the data is read from.
    """
    maps = None if kept.maps == "none" else kept.maps
    spectra: Any = None if kept.spectra == "none" else kept.spectra
    clusters = counts if kept.parameters else {}
    return fit_axes(nside, clusters, pixels if maps is not None else 0, spectra, files), maps


MOST_UNITS = 4000
"""Cheap experiments share units, so that a launch publishes no more than about so many."""

MOST_BYTES = 64 * 2**20
"""Experiments share a unit only as long as its largest chunk stays below, uncompressed."""


def plan_segments(
    store: Store | None,
    experiments: Mapping[str, Experiment],
    geometry: Callable[[Experiment], Geometry],
    block: Callable[[Experiment, int], int],
    provenance: dict,
    most_units: int = MOST_UNITS,
) -> list[SegmentSpec]:
    """Segments for every (experiment, realisation) that no published segment has.

    Experiments share a segment where the same realisations are missing and the arrays have the
    same shapes: one nside, one number of files, one block size, the same parameters and, if maps
    are stored, one mask.

    Args:
        store: the store as it is, or None where there is none yet.
        experiments: by identity.
        geometry: shapes of an experiment.
        block: realisations a unit, from the experiment and the number that is missing.
        provenance: what the segments' attributes say of this launch.
        most_units: about so many, where experiments choose themselves how many share one.
    """
    groups: dict[tuple, list[tuple[Experiment, Geometry]]] = defaultdict(list)
    units = 0
    lost = _stranded_pairs(store, experiments) if store is not None else {}
    for key, experiment in experiments.items():
        there = store.published(key) - lost.get(key, set()) if store is not None else frozenset()
        missing = tuple(r for r in experiment.realisations if r not in there)
        if not missing:
            continue
        shapes = geometry(experiment)
        kept, fit = experiment.conf.store, experiment.conf.fit
        pixels = shapes.pixels.tobytes() if kept.maps != "none" else b""
        size = block(experiment, len(missing))
        units += -(-len(missing) // size)
        variables = (kept.maps, kept.parameters, kept.spectra)
        which = (shapes.nside, shapes.files, *shapes.counts)
        group = (
            missing,
            size,
            fit.experiments,
            shapes.nside,
            shapes.files,
            variables,
            which,
            pixels,
        )
        groups[group].append((experiment, shapes))

    together = -(-units // most_units)
    specs = []
    for (missing, size, wanted, nside, files, variables, *_), members in groups.items():
        maps, parameters, spectra = variables
        spec = SegmentSpec(
            experiments=tuple(e.entry for e, _ in members),
            realisations=missing,
            block=size,
            clusters={p: max(s.counts[p] for _, s in members) for p in members[0][1].counts},
            nside=nside,
            parameters=parameters,
            maps=None if maps == "none" else maps,
            spectra=None if spectra == "none" else spectra,
            pixels=members[0][1].pixels if maps != "none" else None,
            files=files,
            provenance=provenance,
        )
        layout = spec.layout
        chunk = max(prod(layout.chunks(v)) * layout.dtype(v).itemsize for v in layout.variables)
        share = min(together, max(1, MOST_BYTES // chunk)) if wanted == "auto" else wanted
        specs.append(replace(spec, experiments_per_unit=min(share, len(members))))
    return specs


def all_recorded(store: Store, experiments: Mapping[str, Experiment]) -> bool:
    """Whether the store has recorded every realisation that one of `experiments` asks for."""
    if not all(store.published(key).issuperset(e.realisations) for key, e in experiments.items()):
        return False
    pending = frozenset(store.pending_units())
    return not pending or pending.isdisjoint(asked_units(store, experiments))


def missing_tasks(store: Store, experiments: Mapping[str, Experiment]) -> list[Task]:
    """Units of `experiments` that are not recorded, whichever launch published them.

    Left out are those that cannot be computed any more: another experiment of the unit depends on
    a file, or a version, that has changed. `plan_segments` plans what they held anew.
    """
    return _computable(store, experiments)[0]


def _computable(
    store: Store, experiments: Mapping[str, Experiment]
) -> tuple[list[Task], frozenset[Unit]]:
    """Tasks for what is missing, and the units that are stranded: they cannot be computed."""
    stranded: frozenset[Unit] = frozenset()
    asked = asked_units(store, experiments)
    while True:
        pending = set(store.pending_units(stranded))
        made = {u: _task(store, u, experiments) for u in asked if u in pending}
        found = frozenset(unit for unit, task in made.items() if task is None)
        if not found:
            return [task for task in made.values() if task is not None], stranded
        stranded |= found


def _stranded_pairs(store: Store, experiments: Mapping[str, Experiment]) -> dict[str, set[int]]:
    """Realisations, by identity, that only stranded units hold."""
    _, stranded = _computable(store, experiments)
    lost: dict[str, set[int]] = defaultdict(set)
    held: dict[str, set[int]] = defaultdict(set)
    for unit in store.units() if stranded else ():
        segment = store.segments[unit.segment]
        rows, columns = segment.layout.slices(unit)
        for key in segment.identities[rows]:
            (lost if unit in stranded else held)[key] |= set(segment.realisations[columns])
    return {key: numbers - held[key] for key, numbers in lost.items()}


def asked_units(store: Store, experiments: Mapping[str, Experiment]) -> list[Unit]:
    """Units that hold a realisation that one of `experiments` asks for, in order of publication."""
    found = []
    for segment in store.segments.values():
        for unit in segment.units():
            rows, columns = segment.layout.slices(unit)
            numbers = set(segment.realisations[columns])
            known = (experiments[i] for i in segment.identities[rows] if i in experiments)
            if any(not numbers.isdisjoint(e.realisations) for e in known):
                found.append(unit)
    return found


def _task(store: Store, unit: Unit, experiments: Mapping[str, Experiment]) -> Task | None:
    """A unit is computed whole, with those of its experiments that were not asked for.

    None where one of these cannot be made again.
    """
    segment = store.segments[unit.segment]
    rows, columns = segment.layout.slices(unit)
    identities = segment.identities[rows]
    known = {i: experiments[i].conf for i in identities if i in experiments}
    if len(known) < len(identities):
        like = next(iter(known.values()))
        for entry in segment.spec.experiments[rows]:
            if entry.identity not in known:
                try:
                    conf = restore(entry.config, like)
                    if identity(conf) != entry.identity:
                        return None
                except ConfigError:
                    return None
                known[entry.identity] = conf
    return Task(unit, tuple(known[i] for i in identities), segment.realisations[columns])
