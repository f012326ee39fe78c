"""What a launch has to do: new segments for what the store does not have, then missing units."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sweep.config.schema import SweepConf
from sweep.grid.experiment import Experiment
from sweep.store import SegmentSpec, Store, Unit
from sweep.types import Parameter


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
    """Units that one worker computes one after another."""

    store: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Geometry:
    """What the shapes of a segment depend on.

    Attributes:
        counts: clusters of every parameter.
        nside: of the maps.
        pixels: RING indices of the kept pixels; only looked at where maps are stored.
    """

    counts: Mapping[Parameter, int]
    nside: int
    pixels: np.ndarray


def plan_segments(
    store: Store | None,
    experiments: Mapping[str, Experiment],
    geometry: Callable[[Experiment], Geometry],
    block: Callable[[Experiment, int], int],
    provenance: dict,
) -> list[SegmentSpec]:
    """Segments for every (experiment, realisation) that no published segment has.

    Experiments share a segment where the same realisations are missing and the arrays have the
    same shapes: one nside, one block size and, if maps are stored, one mask.

    Args:
        store: the store as it is, or None where there is none yet.
        experiments: by identity.
        geometry: shapes of an experiment.
        block: realisations a unit, from the experiment and the number that is missing.
        provenance: what the segments' attributes say of this launch.
    """
    groups: dict[tuple, list[tuple[Experiment, Geometry]]] = defaultdict(list)
    for key, experiment in experiments.items():
        there = store.published(key) if store is not None else set()
        missing = tuple(r for r in experiment.realisations if r not in there)
        if not missing:
            continue
        shapes = geometry(experiment)
        kept = experiment.conf.store
        pixels = shapes.pixels.tobytes() if kept.maps != "none" else b""
        size = block(experiment, len(missing))
        group = (missing, size, shapes.nside, kept.maps, kept.parameters, pixels)
        groups[group].append((experiment, shapes))

    return [
        SegmentSpec(
            experiments=tuple(e.entry for e, _ in members),
            realisations=missing,
            block=size,
            clusters={p: max(s.counts[p] for _, s in members) for p in members[0][1].counts},
            nside=nside,
            parameters=parameters,
            maps=None if maps == "none" else maps,
            pixels=members[0][1].pixels if maps != "none" else None,
            provenance=provenance,
        )
        for (missing, size, nside, maps, parameters, _), members in groups.items()
    ]


def missing_tasks(store: Store, experiments: Mapping[str, Experiment]) -> list[Task]:
    """Units of `experiments` that are not recorded, whichever launch published them."""
    pending = set(store.pending_units())
    return [task for task in tasks(store, experiments) if task.unit in pending]


def tasks(store: Store, experiments: Mapping[str, Experiment]) -> list[Task]:
    """Units that hold a realisation that one of `experiments` asks for, in order of publication."""
    found = []
    for segment in store.segments.values():
        for unit in segment.units():
            rows, columns = segment.layout.slices(unit)
            known = [experiments.get(identity) for identity in segment.identities[rows]]
            numbers = segment.realisations[columns]
            if all(e is not None and set(numbers) & set(e.realisations) for e in known):
                found.append(Task(unit, tuple(e.conf for e in known if e is not None), numbers))
    return found
