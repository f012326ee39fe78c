"""One launch: check everything, publish what is new, compute what is missing, say what happened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sweep.config.schema import SEARCH, SweepConf
from sweep.engines import ATTEMPTS, Engine
from sweep.errors import ConfigError
from sweep.grid import (
    MOST_UNITS,
    Experiment,
    Groups,
    Package,
    Task,
    asked_units,
    missing_tasks,
    plan_segments,
    unique,
)
from sweep.jax_session import jax_session
from sweep.preflight import Preflight
from sweep.progress import Progress
from sweep.provenance import provenance
from sweep.store import SegmentSpec, Store, publish, seal
from sweep.store.files import writing
from sweep.worker import Outcome, failed, run_package

UNITS_A_WORKER = 16
"""At least, where experiments share units: the last ones must not leave the others waiting."""


@dataclass(frozen=True)
class Launch:
    """What a launch did.

    Attributes:
        store: path of the store.
        identities: of the experiments, in the order they were asked for.
        outcomes: of the units it computed; empty where nothing was missing.
        total: number of units the experiments have.
        missing: number of them that are not recorded yet.
        detached: jobs that still compute them, by their ids.
    """

    store: str
    identities: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    total: int
    missing: int
    detached: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Units that are not recorded because they failed."""
        return tuple(o for o in self.outcomes if o.error is not None)


@dataclass(frozen=True)
class Prepared:
    """What was asked for, checked, and what a launch would add to the store.

    Attributes:
        path: of the store.
        asked: identities of the experiments in the order they were asked for.
        experiments: by identity.
        store: as it is, or None where there is none yet.
        segments: to be published.
        preflight: what is known of the experiments.
    """

    path: str
    asked: tuple[str, ...]
    experiments: dict[str, Experiment]
    store: Store | None
    segments: tuple[SegmentSpec, ...]
    preflight: Preflight


@jax_session()
def prepare(
    confs: Sequence[SweepConf],
    workers: int,
    progress: Progress,
    overrides: Sequence[Sequence[str]] = (),
) -> Prepared:
    """Check every experiment against its data and lay out what is new; creates nothing.

    Raises:
        ConfigError: a configuration cannot be used; the message names which.
        StoreError: the store cannot be read or written.
    """
    path = _store_path(confs)
    groups = Groups()
    asked = [Experiment(conf, groups) for conf in confs]
    experiments = unique(asked)
    if len(experiments) < len(asked):
        progress.note(f"{len(asked) - len(experiments)} duplicate experiments dropped")

    store = _opened(path)
    preflight = Preflight()
    with progress.checking(len(experiments)) as checked:
        for experiment in experiments.values():
            preflight.check(experiment)
            checked()
    segments = plan_segments(
        store,
        experiments,
        geometry=preflight.geometry,
        block=lambda e, missing: preflight.block(e, missing, workers),
        provenance=provenance(overrides),
        most_units=max(MOST_UNITS, UNITS_A_WORKER * workers),
    )
    for line in _older_search(store, experiments):
        progress.note(line)
    identities = tuple(experiment.identity for experiment in asked)
    return Prepared(path, identities, experiments, store, tuple(segments), preflight)


@jax_session()
def launch(
    confs: Sequence[SweepConf],
    engine: Engine,
    progress: Progress,
    overrides: Sequence[Sequence[str]] = (),
) -> Launch:
    """Run the experiments `confs` into their store; computes only what it does not hold yet.

    Nothing is created before every experiment has been checked against its data.

    Raises:
        ConfigError: a configuration cannot be used; the message names which.
        StoreError: the store cannot be read or written.
    """
    ready = prepare(confs, engine.workers(), progress, overrides)
    path, experiments = ready.path, ready.experiments
    for segment in ready.segments:
        publish(path, segment)

    for line in engine.left_behind(path):
        progress.note(line)
    store = Store(path)
    missing = missing_tasks(store, experiments)
    outcomes = _run(path, missing, engine, progress, stop=confs[0].fail_fast)
    _seal(path)
    for name in _not_kept(store, experiments):
        progress.note(
            f"`{name}` is asked for, but units recorded before were told not to keep it: "
            "for all of it use another store.path"
        )
    return Launch(
        store=path,
        identities=ready.asked,
        outcomes=tuple(outcomes),
        total=len(asked_units(store, experiments)),
        missing=len(missing) - sum(o.error is None for o in outcomes),
        detached=engine.detached,
    )


def _seal(path: str) -> None:
    """Bring the sealed mask up to date, which a launch that was killed may have left behind."""
    store = Store(path)
    sealed = {unit for segment in store.segments.values() for unit in segment.sealed_units()}
    if sealed != store.done_units():
        seal(path)


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


def _not_kept(store: Store, experiments: dict[str, Experiment]) -> list[str]:
    """Variables that a configuration asks for and a segment of the experiment does not have."""
    names = {
        "cmb": {key for key, e in experiments.items() if e.conf.store.maps != "none"},
        "beta_dust": {key for key, e in experiments.items() if e.conf.store.parameters},
        "bb_residual": {k for k, e in experiments.items() if e.conf.store.spectra != "none"},
        "blm_residual": {k for k, e in experiments.items() if e.conf.store.spectra == "alm"},
    }
    return [
        name
        for name, keys in names.items()
        if any(
            name not in segment.layout.variables and keys & set(segment.identities)
            for segment in store.segments.values()
        )
    ]


def _store_path(confs: Sequence[SweepConf]) -> str:
    for name, value in (
        ("store.path", lambda c: c.store.path),
        ("store.maps", lambda c: c.store.maps),
        ("store.parameters", lambda c: c.store.parameters),
        ("store.spectra", lambda c: c.store.spectra),
        ("fail_fast", lambda c: c.fail_fast),
        ("plan", lambda c: c.plan),
    ):
        given = sorted({str(value(conf)) for conf in confs})
        if len(given) != 1:
            raise ConfigError(f"{name} cannot be swept: got {', '.join(given)}; give one value")
    return confs[0].store.path


def _opened(path: str) -> Store | None:
    """The store, or None where there is none and one can be made: said before the long checks."""
    place = Path(path)
    with writing(place):
        if place.exists():
            return Store(path)
        with TemporaryFile(dir=next(p for p in place.parents if p.exists())):
            return None


def _run(
    path: str, missing: list[Task], engine: Engine, progress: Progress, stop: bool
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    if not missing:
        return outcomes
    packages = [Package(path, (task,), engine.name) for task in missing]
    running = engine.run(packages, run_package)
    with progress.running(len(missing), sum(t.fits for t in missing)) as advance:
        try:
            for ended in running:
                outcomes += ended
                for outcome in ended:
                    advance(outcome)
                    if outcome.died:
                        lost = Package(path, (outcome.task,), engine.name)
                        failed(outcome.task, lost, RuntimeError(outcome.error), ATTEMPTS)
                if stop and any(o.error for o in ended):
                    break
        finally:
            running.close()  # pyright: ignore[reportAttributeAccessIssue]
    return outcomes
