"""What a launch would do, cost and leave on disk; nothing is created."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sweep.engines import Engine
from sweep.grid import axes_of_fit, identity
from sweep.progress import Progress
from sweep.session.preparation import Prepared, Request, prepare
from sweep.store import fit_bytes, segment_files

ENOUGH = 12
"""With so many timed experiments in the store, or all, there is no need of a pilot."""


@dataclass(frozen=True)
class Cost:
    """What the fits of a plan will take.

    Attributes:
        seconds: of work, of all workers together, with the loading of programs where a pilot
            has timed that.
        error: relative standard error of `seconds`, NaN where too little was timed.
        timed: number of experiments that the estimate rests on.
        source: where they were timed.
        shapes: programs that a pilot compiled, None without one.
        compilation: seconds that each of them took the first time.
    """

    seconds: float = 0.0
    error: float = 0.0
    timed: int = 0
    source: str = ""
    shapes: int | None = None
    compilation: float = 0.0


@dataclass(frozen=True)
class Plan:
    """An account of a launch before it is made.

    Attributes:
        store: path of the store.
        identities: of the experiments, in the order they were asked for.
        experiments: number asked for, each once.
        fits: number to compute.
        recorded: fits that the store holds already.
        units: number to compute; each is a package of its own.
        together: experiments that share a unit, at most.
        workers: that compute at the same time.
        started: what the engine starts for it, in words.
        cost: of the fits; nothing in the outline of a plan.
        bytes: that will be written, before compression.
        files: that will be new.
    """

    store: str
    identities: tuple[str, ...]
    experiments: int
    fits: int
    recorded: int
    units: int
    together: int
    workers: int
    started: str
    cost: Cost
    bytes: int
    files: int

    @property
    def wall(self) -> float:
        """Seconds from the first fit to the last, where units take equally long."""
        rounds = -(-self.units // self.workers)
        return self.cost.seconds / max(self.units, 1) * rounds


def plan(
    request: Request, progress: Progress, outlined: Callable[[Plan], None] = lambda outline: None
) -> Plan:
    """Work out what `launch` would do with the same arguments.

    Args:
        request: what is asked for.
        progress: shows what is looked at.
        outlined: called with all but the cost, before fits are timed for that.

    Raises:
        ConfigError: as `launch`.
        StoreError: as `launch`.
    """
    ready, engine = prepare(request, progress), request.engine
    missing, units = _missing(ready), ready.units
    fits = sum(map(len, missing.values()))
    recorded_fits = sum(
        len(set(experiment.realisations).difference(missing.get(key, ())))
        for key, experiment in ready.experiments.items()
    )
    outline = Plan(
        store=ready.path,
        identities=ready.asked,
        experiments=len(ready.experiments),
        fits=fits,
        recorded=recorded_fits,
        units=units,
        together=max([s.experiments_per_unit for s in ready.segments], default=1),
        workers=engine.workers(),
        started=engine.started(units),
        cost=Cost(),
        bytes=sum(_fit_bytes(ready, key) * len(numbers) for key, numbers in missing.items()),
        files=_files(ready, min(engine.workers(), units)),
    )
    outlined(outline)
    return replace(outline, cost=_cost(ready, missing, engine, progress))


def _missing(ready: Prepared) -> dict[str, list[int]]:
    """Realisations to compute of every experiment that has any."""
    missing: dict[str, list[int]] = {}
    for task in ready.pending:
        for conf in task.confs:
            missing.setdefault(identity(conf), []).extend(task.realisations)
    for spec in ready.segments:
        for entry in spec.experiments:
            missing.setdefault(entry.identity, []).extend(spec.realisations)
    return missing


def _cost(
    ready: Prepared, missing: dict[str, list[int]], engine: Engine, progress: Progress
) -> Cost:
    asked, units = ready.experiments, ready.units
    todo = [asked[key] for key in missing if key in asked]
    if not todo:
        return Cost()
    from sweep.session.cost import PILOT_SECONDS, CostModel, pilot, recorded  # imports jax

    timings = recorded(ready.store, asked)
    source, shapes, compilation, loading = "units recorded before", None, 0.0, 0.0
    untimed = {e.conf.solver.name for e in todo} - {t.experiment.conf.solver.name for t in timings}
    if untimed or len(timings) < min(ENOUGH, len(asked)):
        block = _blocks(ready)
        with progress.piloting(PILOT_SECONDS) as tried:
            made = pilot(
                todo,
                lambda e: tuple(missing[e.identity][: block[e.identity]]),
                engine,
                tried,
            )
        timings = [*timings, *made.timings]
        source = f"a pilot on {made.device} here"
        shapes, compilation = made.shapes, made.compilation
        loading = made.loading(units, min(engine.workers(), units))
    model = CostModel(timings, ready.preflight.geometry)
    each = model.seconds(todo)
    fits = sum(s * len(missing[e.identity]) for s, e in zip(each, todo, strict=True))
    seconds = float(fits) + loading
    return Cost(seconds, model.error, len(timings), source, shapes, compilation)


def _blocks(ready: Prepared) -> dict[str, int]:
    """Realisations that are fitted together, by experiment."""
    planned = {e.identity: spec.block for spec in ready.segments for e in spec.experiments}
    return {identity(c): len(t.realisations) for t in ready.pending for c in t.confs} | planned


def _fit_bytes(ready: Prepared, key: str) -> int:
    """Of the numbers that are kept of one fit, uncompressed."""
    if key not in ready.experiments:
        return 0
    experiment = ready.experiments[key]
    shapes, kept = ready.preflight.geometry(experiment), experiment.conf.store
    return fit_bytes(
        *axes_of_fit(kept, shapes.nside, shapes.counts, shapes.pixels.size, shapes.files)
    )


def _files(ready: Prepared, writers: int) -> int:
    """New files: of segments, of units published before, a journal a writer, the root."""
    found = sum(map(segment_files, ready.segments)) + writers
    if ready.store is None:
        return found + 1  # its root
    segments = ready.store.segments
    return found + sum(len(segments[t.unit.segment].layout.variables) for t in ready.pending)
