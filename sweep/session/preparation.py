"""What was asked for is checked against its data and the store, before anything is created."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from tempfile import TemporaryFile
from typing import Any

from sweep.config.groups.solver import SEARCH
from sweep.config.schema import SweepConf
from sweep.engines import Engine
from sweep.errors import ConfigError
from sweep.grid import (
    MOST_UNITS,
    Experiment,
    Groups,
    Task,
    all_recorded,
    missing_tasks,
    plan_segments,
    unique,
)
from sweep.jax_session import jax_session
from sweep.progress import Progress
from sweep.provenance import provenance
from sweep.session.preflight import Preflight
from sweep.session.rules import Rules
from sweep.session.unchanged import check_told_apart, check_unchanged
from sweep.store import SegmentSpec, Store
from sweep.store.files import store_path, writing

UNITS_A_WORKER = 16
"""At least, where experiments share units: the last ones must not leave the others waiting."""


@dataclass(frozen=True)
class Request:
    """What a session is asked for.

    Attributes:
        confs: the experiments, at least one.
        engine: that computes them.
        overrides: that each was composed of, for the record.
        race: whether they are to race, and how; a launch asks for all of them.
    """

    confs: Sequence[SweepConf]
    engine: Engine
    overrides: Sequence[Sequence[str]] = ()
    race: Rules | None = None


@dataclass(frozen=True)
class Prepared:
    """What was asked for, checked, and what a launch would add to the store.

    Attributes:
        path: of the store.
        asked: identities of the experiments in the order they were asked for.
        experiments: by identity.
        store: as it is, or None where there is none yet.
        segments: to be published.
        pending: units that the store has and does not hold yet.
        preflight: what is known of the experiments, where anything of them is missing.
    """

    path: str
    asked: tuple[str, ...]
    experiments: dict[str, Experiment]
    store: Store | None
    segments: tuple[SegmentSpec, ...]
    pending: tuple[Task, ...]
    preflight: Preflight

    @property
    def units(self) -> int:
        """Number of units to compute; each is a package of its own."""
        return len(self.pending) + sum(prod(spec.layout.blocks) for spec in self.segments)


def prepare(request: Request, progress: Progress) -> Prepared:
    """Check every experiment against its data and lay out what is new; creates nothing.

    Where all is recorded there is nothing to check: identities have looked at the input files.

    Raises:
        ConfigError: a configuration cannot be used, and the message names which; a file of maps
            has changed since it was fitted; or the engine cannot have what it asks for.
        StoreError: the store cannot be read or written.
    """
    path, groups = _store_path(request.confs), Groups()
    asked = [Experiment(conf, groups) for conf in request.confs]
    experiments = unique(asked)
    if len(experiments) < len(asked):
        progress.note(f"{len(asked) - len(experiments)} duplicate experiments dropped")

    check_told_apart(asked)
    store = _opened(path)
    if store is not None:
        check_unchanged(store, experiments)
    preflight = Preflight()
    segments: list[SegmentSpec] = []
    pending: list[Task] = []
    if store is None or not all_recorded(store, experiments):
        segments = _checked(request, store, experiments, preflight, progress)
        pending = missing_tasks(store, experiments) if store is not None else []
    for line in (*preflight.notes, *_older_search(store, experiments)):
        progress.note(line)
    identities = tuple(experiment.identity for experiment in asked)
    ready = Prepared(
        path, identities, experiments, store, tuple(segments), tuple(pending), preflight
    )
    if ready.units:
        request.engine.check(ready.units)
    return ready


@jax_session()
def _checked(
    request: Request,
    store: Store | None,
    experiments: dict[str, Experiment],
    preflight: Preflight,
    progress: Progress,
) -> list[SegmentSpec]:
    """What is to be published, once every experiment has been checked against its data."""
    with progress.checking(len(experiments)) as checked:
        for experiment in experiments.values():
            preflight.check(experiment)
            checked()
    workers = request.engine.workers()
    return plan_segments(
        store,
        experiments,
        geometry=preflight.geometry,
        block=lambda e, missing: preflight.block(e, missing, workers),
        provenance=provenance(request.overrides) | _race(request),
        most_units=max(MOST_UNITS, UNITS_A_WORKER * workers),
    )


def _race(request: Request) -> dict[str, Any]:
    """The rules of a race are recorded with what it adds."""
    return {} if request.race is None else {"race": asdict(request.race)}


def _store_path(confs: Sequence[SweepConf]) -> str:
    for name, value in (
        ("store.path", lambda c: c.store.path),
        ("store.maps", lambda c: c.store.maps),
        ("store.parameters", lambda c: c.store.parameters),
        ("store.spectra", lambda c: c.store.spectra),
        ("fail_fast", lambda c: c.fail_fast),
        ("plan", lambda c: c.plan),
        ("objective", lambda c: c.objective),
    ):
        given = sorted({str(value(conf)) for conf in confs})
        if len(given) != 1:
            raise ConfigError(f"{name} cannot be swept: got {', '.join(given)}; give one value")
    return confs[0].store.path


def _opened(path: str) -> Store | None:
    """The store, or None where there is none and one can be made: said before the long checks."""
    place = store_path(path)
    with writing(place):
        if place.exists():
            return Store(path)
        with TemporaryFile(dir=next(p for p in place.parents if p.exists())):
            return None


def _older_search(store: Store | None, experiments: dict[str, Experiment]) -> list[str]:
    """A line where the store holds the same experiments by an older search of newton."""
    if store is None:
        return []
    kept = {key for segment in store.segments.values() for key in segment.identities}
    by_solver: dict[int, list[Any]] = {}  # points share their groups, and so the digests of these
    count = 0
    for key, experiment in experiments.items():
        conf, solver = experiment.conf, experiment.conf.solver
        if key in kept or solver.name != "newton":
            continue
        if id(solver) not in by_solver:
            versions = range(1, solver.search)
            by_solver[id(solver)] = [replace(solver, search=version) for version in versions]
        older = (replace(conf, solver=each) for each in by_solver[id(solver)])
        count += any(experiment.groups.identity(each) in kept for each in older)
    if not count:
        return []
    return [
        f"{count} of these experiments are in the store by an older search of newton, and stay; "
        f"search {SEARCH} makes new ones beside them"
    ]
