"""The data path of one unit: configuration in, recorded results out."""

import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sweep.config.build import build
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError, StoreError
from sweep.fit import BlockResult, fit_block, joined
from sweep.grid import Package, Task, identity
from sweep.memory import halving
from sweep.store import Segment, Store, UnitWriter, WorkerInfo
from sweep.types import PARAMETERS

_SCALARS = (
    "status",
    "cmb_variance",
    "nll",
    "gradient_norm",
    "seconds",
    "iterations",
    "evaluations",
    "scan_certified",
    "jumps",
    "unconstrained",
)


TRIES = 3
"""How often a unit is computed that meets a system error."""

PAUSE = 0.5
"""Seconds before the second try; a file system may need a moment."""


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    Attributes:
        task: the unit.
        statuses: number of fits by status name; empty where the unit failed.
        error: one line, or None where the unit is recorded.
        died: whether the worker died over it, so that nobody has logged the error yet.
    """

    task: Task
    statuses: dict[str, int]
    error: str | None = None
    died: bool = False


def run_package(package: Package) -> list[Outcome]:
    """Compute and record the units of a package; a unit that fails costs only itself."""
    return [_run_task(task, package.store) for task in package.tasks]


def _run_task(task: Task, path: str) -> Outcome:
    """Try a unit until it is recorded; what cannot end otherwise is not tried again."""
    for attempt in range(1, TRIES):
        try:
            return _compute(task, path, attempt)
        except (ConfigError, MemoryError) as error:
            return failed(task, path, error, attempt)
        except Exception as error:
            _log(task, path, error, attempt, final=False)
        time.sleep(attempt * PAUSE)
    try:
        return _compute(task, path, TRIES)
    except Exception as error:  # whatever a unit does, its worker goes on with the next
        return failed(task, path, error, TRIES)


def _compute(task: Task, path: str, attempt: int) -> Outcome:
    start = time.perf_counter()
    writer = _writer(path)
    segment = writer.segment(task.unit.segment)
    _check_identity(task, segment)
    results = [fit_experiment(conf, task.realisations) for conf in task.confs]
    arrays = unit_arrays(segment, results)
    seconds = time.perf_counter() - start
    record = writer.write(task.unit, arrays, seconds=seconds, attempt=attempt)
    return Outcome(task, record.statuses)


def failed(task: Task, path: str, error: Exception, attempt: int) -> Outcome:
    """Log that a unit failed for good in this launch, and say so."""
    return Outcome(task, {}, _log(task, path, error, attempt, final=True))


def _log(task: Task, path: str, error: Exception, attempt: int, final: bool) -> str:
    """Log an error where the log can be written; returns it as one line."""
    try:
        return _writer(path).fail(task.unit, error, attempt, final).message
    except StoreError:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _writer(path: str) -> UnitWriter:
    """This process's writer; its journal is one file, however many packages it gets."""
    return _writer_of(path, Store(path).uuid)


@lru_cache(maxsize=4)
def _writer_of(path: str, uuid: str) -> UnitWriter:
    del uuid  # a store that was deleted and made anew has another
    return UnitWriter(path, WorkerInfo.create(device()))


def _check_identity(task: Task, segment: Segment) -> None:
    rows, _ = segment.layout.slices(task.unit)
    if tuple(identity(conf) for conf in task.confs) != segment.identities[rows]:
        raise ConfigError("an input file changed since the launch: run the same command again")


def fit_experiment(conf: SweepConf, realisations: tuple[int, ...]) -> BlockResult:
    """Simulate and fit some realisations of an experiment, in parts where memory is short."""
    setup = build(conf)

    def fit(numbers: tuple[int, ...]) -> BlockResult:
        maps = setup.maps(numbers)
        return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)

    return joined(halving(fit, realisations))


def unit_arrays(segment: Segment, results: list[BlockResult]) -> dict[str, np.ndarray]:
    """Every variable of a unit, shape (experiment, realisation, ...), clusters padded by NaN."""
    values = {**{name: [getattr(r, name) for r in results] for name in _SCALARS}}
    values["cmb"] = [r.cmb for r in results]
    for p in PARAMETERS:
        values[p] = [_padded(r.params[p], segment.clusters[p]) for r in results]
    layout = segment.layout
    return {name: np.stack(values[name]).astype(layout.dtype(name)) for name in layout.variables}


def _padded(params: np.ndarray, count: int) -> np.ndarray:
    gap = count - params.shape[1]
    return np.pad(params.astype(float), ((0, 0), (0, gap)), constant_values=np.nan)


def device() -> str:
    """The accelerator, or `cpu`, that jax computes on here."""
    import jax

    return jax.devices()[0].device_kind
