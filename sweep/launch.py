"""One launch: check everything, publish what is new, compute what is missing, say what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from sweep.config.build import Setup, build
from sweep.config.schema import SweepConf
from sweep.engines import ATTEMPTS, Engine
from sweep.errors import ConfigError
from sweep.grid import (
    Experiment,
    Geometry,
    Package,
    Task,
    missing_tasks,
    plan_segments,
    tasks,
    unique,
)
from sweep.memory import auto_block
from sweep.progress import Progress
from sweep.provenance import provenance
from sweep.store import Store, publish, seal
from sweep.store.files import writing
from sweep.worker import Outcome, failed, run_package


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
    path = _store_path(confs)
    asked = [Experiment(conf) for conf in confs]
    experiments = unique(asked)
    if len(experiments) < len(asked):
        progress.note(f"{len(asked) - len(experiments)} duplicate experiments dropped")

    store = _opened(path)
    with progress.checking(len(experiments)) as checked:
        geometry = {}
        for key, experiment in experiments.items():
            geometry[key] = _geometry(_checked(experiment))
            checked()
    segments = plan_segments(
        store,
        experiments,
        geometry=lambda e: geometry[e.identity],
        block=lambda e, missing: _block(e, missing, engine.workers(), len(experiments)),
        provenance=provenance(overrides),
    )
    for segment in segments:
        publish(path, segment)

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
        identities=tuple(e.identity for e in asked),
        outcomes=tuple(outcomes),
        total=len(tasks(store, experiments)),
        missing=len(missing) - sum(o.error is None for o in outcomes),
        detached=engine.detached,
    )


def _seal(path: str) -> None:
    """Bring the sealed mask up to date, which a launch that was killed may have left behind."""
    store = Store(path)
    sealed = {unit for segment in store.segments.values() for unit in segment.sealed_units()}
    if sealed != store.done_units():
        seal(path)


def _not_kept(store: Store, experiments: dict[str, Experiment]) -> list[str]:
    """Variables that a configuration asks for and a segment of the experiment does not have."""
    names = {
        "cmb": {key for key, e in experiments.items() if e.conf.store.maps != "none"},
        "beta_dust": {key for key, e in experiments.items() if e.conf.store.parameters},
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
    paths = sorted({conf.store.path for conf in confs})
    if len(paths) != 1:
        raise ConfigError(f"store.path cannot be swept: got {', '.join(paths)}; give one path")
    return paths[0]


def _opened(path: str) -> Store | None:
    """The store, or None where there is none and one can be made: said before the long checks."""
    place = Path(path)
    with writing(place):
        if place.exists():
            return Store(path)
        with TemporaryFile(dir=next(p for p in place.parents if p.exists())):
            return None


def _checked(experiment: Experiment) -> Setup:
    try:
        return build(experiment.conf)
    except MemoryError:
        raise ConfigError("not enough memory for the maps: choose a lower sky.nside") from None


def _geometry(setup: Setup) -> Geometry:
    return Geometry(setup.counts, setup.mask.nside, setup.mask.pixels)


def _block(experiment: Experiment, missing: int, workers: int, experiments: int) -> int:
    block = experiment.conf.fit.block
    if block != "auto":
        return min(block, missing)
    setup = build(experiment.conf)
    fits = auto_block(setup.solver, setup.objective, setup.problem, setup.bounds, missing, workers)
    # a few experiments are cut into blocks enough for all workers
    return min(fits, -(-missing // -(-workers // experiments)))


def _run(
    path: str, missing: list[Task], engine: Engine, progress: Progress, stop: bool
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    if not missing:
        return outcomes
    packages = [Package(path, (task,)) for task in missing]
    running = engine.run(packages, run_package)
    with progress.running(len(missing), sum(t.fits for t in missing)) as advance:
        try:
            for ended in running:
                outcomes += ended
                for outcome in ended:
                    advance(outcome)
                    if outcome.died:
                        failed(outcome.task, path, RuntimeError(outcome.error), ATTEMPTS)
                if stop and any(o.error for o in ended):
                    break
        finally:
            running.close()  # pyright: ignore[reportAttributeAccessIssue]
    return outcomes
