"""The data path of one unit: configuration in, recorded results out."""

import time
from dataclasses import dataclass

import numpy as np

from sweep.config.build import build
from sweep.config.schema import SweepConf
from sweep.fit import BlockResult, fit_block
from sweep.grid.plan import Package, Task
from sweep.store import Segment, UnitWriter, WorkerInfo
from sweep.types import PARAMETERS

_SCALARS = (
    "status",
    "cmb_variance",
    "nll",
    "gradient_norm",
    "seconds",
    "iterations",
    "evaluations",
)

NOT_ATTEMPTED = -1
"""`scan_certified` of solvers that do not scan for lower minima."""


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    Attributes:
        task: the unit.
        statuses: number of fits by status name; empty where the unit failed.
        error: one line, or None where the unit is recorded.
    """

    task: Task
    statuses: dict[str, int]
    error: str | None = None


def run_package(package: Package) -> list[Outcome]:
    """Compute and record the units of a package; a unit that fails costs only itself."""
    writer = UnitWriter(package.store, WorkerInfo.create(device()))
    return [_run_task(task, writer) for task in package.tasks]


def _run_task(task: Task, writer: UnitWriter) -> Outcome:
    start = time.perf_counter()
    try:
        results = [fit_experiment(conf, task.realisations) for conf in task.confs]
        arrays = unit_arrays(writer.segment(task.unit.segment), results)
        record = writer.write(task.unit, arrays, seconds=time.perf_counter() - start)
    except Exception as error:  # whatever a unit does, its worker goes on with the next
        return Outcome(task, {}, writer.fail(task.unit, error, attempt=1).message)
    return Outcome(task, record.statuses)


def fit_experiment(conf: SweepConf, realisations: tuple[int, ...]) -> BlockResult:
    """Simulate and fit some realisations of an experiment."""
    setup = build(conf)
    maps = setup.maps(realisations)
    return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)


def unit_arrays(segment: Segment, results: list[BlockResult]) -> dict[str, np.ndarray]:
    """Every variable of a unit, shape (experiment, realisation, ...), clusters padded by NaN."""
    values = {**{name: [getattr(r, name) for r in results] for name in _SCALARS}}
    values["scan_certified"] = [np.full(r.status.shape, NOT_ATTEMPTED) for r in results]
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
