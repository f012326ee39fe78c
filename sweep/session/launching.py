"""One launch: publish what is new, compute what is missing, seal."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sweep.config.models import parameter_names
from sweep.engines import ATTEMPTS, Detached, Engine
from sweep.grid import Experiment, Outcome, Package, Task, asked_units, missing_tasks
from sweep.jax_session import jax_session
from sweep.progress import Progress
from sweep.session.preparation import Request, prepare
from sweep.store import Store, publish, seal


@dataclass(frozen=True)
class Launch:
    """What a launch did.

    Attributes:
        store: path of the store.
        identities: of the experiments, in the order they were asked for.
        outcomes: of the units it computed; empty where nothing was missing.
        total: number of units the experiments have.
        missing: number of them that are not recorded yet.
        detached: jobs that still compute them.
    """

    store: str
    identities: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    total: int
    missing: int
    detached: Detached | None = None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Units that are not recorded because they failed."""
        return tuple(o for o in self.outcomes if o.error is not None and not o.cancelled)

    @property
    def left_out(self) -> tuple[Outcome, ...]:
        """Units that are not recorded because a user cancelled their jobs."""
        return tuple(o for o in self.outcomes if o.cancelled)


def launch(request: Request, progress: Progress) -> Launch:
    """Run experiments into their store; computes only what it does not hold yet.

    Nothing is created before every experiment has been checked against its data.

    Raises:
        ConfigError: a configuration cannot be used; the message names which.
        StoreError: the store cannot be read or written.
    """
    ready, engine = prepare(request, progress), request.engine
    path, experiments = ready.path, ready.experiments
    for segment in ready.segments:
        publish(path, segment)

    for line in engine.left_behind(path):
        progress.note(line)
    store = Store(path)
    missing = missing_tasks(store, experiments) if ready.segments else list(ready.pending)
    stop = request.confs[0].fail_fast
    outcomes = _run(path, missing, engine, progress, stop) if missing else []
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


def _not_kept(store: Store, experiments: dict[str, Experiment]) -> list[str]:
    """Variables that a configuration asks for and a segment of the experiment does not have."""
    names = {
        "cmb": {key for key, e in experiments.items() if e.conf.store.maps != "none"},
        # one stands for all of a model, which are kept or not together
        **{
            name: {
                key
                for key, e in experiments.items()
                if e.conf.store.parameters and parameter_names(e.conf)[0] == name
            }
            for name in {parameter_names(e.conf)[0] for e in experiments.values()}
        },
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


@jax_session()
def _run(
    path: str, missing: list[Task], engine: Engine, progress: Progress, stop: bool
) -> list[Outcome]:
    from sweep.worker import failed, run_package  # imports jax

    outcomes: list[Outcome] = []
    packages = [Package(path, (task,), engine.name) for task in missing]
    running: Any = engine.run(packages, run_package, progress.note)
    fits = sum(task.fits for task in missing)
    shown = progress.running(len(missing), fits, engine.workers())
    with shown as advance, closing(running):
        for ended in running:
            outcomes += ended
            for outcome in ended:
                advance(outcome)
                if outcome.died:
                    lost = Package(path, (outcome.task,), engine.name)
                    failed(outcome.task, lost, RuntimeError(outcome.error), ATTEMPTS)
            if stop and any(o.error and not o.cancelled for o in ended):
                break
    return outcomes
