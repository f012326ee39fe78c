"""The data path of one unit: configuration in, recorded results out."""

import time
from dataclasses import replace
from functools import lru_cache

import numpy as np

from sweep.ahead import ahead
from sweep.assemble.data import build_mask, build_sky, true_cmb
from sweep.assemble.setup import Setup, build
from sweep.config.schema import SweepConf
from sweep.ends import BlockResult, joined
from sweep.errors import ConfigError, StoreError
from sweep.fit import fit_block
from sweep.grid import Outcome, Package, Task, identity
from sweep.jax_session import jax_session
from sweep.lanes import side_by_side
from sweep.memory import halving
from sweep.model import KNOWN
from sweep.programs import forget_surplus_programs
from sweep.sky import MapsSky
from sweep.spectra import residual_arrays
from sweep.store import Segment, Store, UnitWriter, WorkerInfo
from sweep.store.late import await_segments

TRIES = 3
"""How often a unit is computed that meets a system error."""

PAUSE = 0.5
"""Seconds before the second try; a file system may need a moment."""


@jax_session()
def run_package(package: Package) -> list[Outcome]:
    """Compute and record the units of a package; a unit that fails costs only itself."""
    await_segments(package.store, frozenset(task.unit.segment for task in package.tasks))
    return [_run_task(task, package) for task in package.tasks]


def _run_task(task: Task, package: Package) -> Outcome:
    """Try a unit until it is recorded; what cannot end otherwise is not tried again."""
    for attempt in range(1, TRIES):
        try:
            return _compute(task, package, attempt)
        except (ConfigError, MemoryError) as error:
            return failed(task, package, error, attempt)
        except Exception as error:
            _log(task, package, error, attempt, final=False)
        time.sleep(attempt * PAUSE)
    try:
        return _compute(task, package, TRIES)
    except Exception as error:  # whatever a unit does, its worker goes on with the next
        return failed(task, package, error, TRIES)


def _compute(task: Task, package: Package, attempt: int) -> Outcome:
    start = time.perf_counter()
    writer = _writer(package)
    segment = writer.segment(task.unit.segment)
    _check_identity(task, segment)
    spectra = segment.spectra is not None
    found = [experiment_arrays(conf, task.realisations, spectra) for conf in task.confs]
    arrays = unit_arrays(segment, found)
    seconds = time.perf_counter() - start
    record = writer.write(task.unit, arrays, seconds=seconds, attempt=attempt)
    return Outcome(task, record.statuses)


def failed(task: Task, package: Package, error: Exception, attempt: int) -> Outcome:
    """Log that a unit failed for good in this launch, and say so."""
    return Outcome(task, {}, _log(task, package, error, attempt, final=True))


def _log(task: Task, package: Package, error: Exception, attempt: int, final: bool) -> str:
    """Log an error where the log can be written; returns it as one line."""
    try:
        return _writer(package).fail(task.unit, error, attempt, final).message
    except StoreError:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _writer(package: Package) -> UnitWriter:
    """This process's writer; its journal is one file, however many packages it gets."""
    return _writer_of(package.store, Store(package.store).uuid, package.engine)


@lru_cache(maxsize=4)
def _writer_of(path: str, uuid: str, engine: str) -> UnitWriter:
    del uuid  # a store that was deleted and made anew has another
    return UnitWriter(path, WorkerInfo.create(device(), engine))


def _check_identity(task: Task, segment: Segment) -> None:
    rows, _ = segment.layout.slices(task.unit)
    if tuple(identity(conf) for conf in task.confs) != segment.identities[rows]:
        raise ConfigError("an input file changed since the launch: run the same command again")


@jax_session()
def experiment_arrays(
    conf: SweepConf, realisations: tuple[int, ...], spectra: bool
) -> dict[str, np.ndarray]:
    """Fit realisations of an experiment: every variable of the store, shape (realisation, ...).

    Args:
        conf: the experiment.
        realisations: their numbers.
        spectra: whether spectra of the residuals are wanted; they cost tens of ms a fit.
    """
    arrays = fit_experiment(conf, realisations)._asdict()
    params = arrays.pop("params")
    mask, sky, truth = build_mask(conf), build_sky(conf), true_cmb(conf, realisations)
    # whatever needs the truth is not a number where that is not known
    residual = arrays["cmb"] - (np.nan if truth is None else truth)
    arrays |= params | residual_arrays(residual, mask, spectra)
    if isinstance(sky, MapsSky):
        arrays["data_digest"] = np.array([sky.digests(r) for r in realisations])
    return arrays


@jax_session()
def fit_experiment(conf: SweepConf, realisations: tuple[int, ...]) -> BlockResult:
    """Simulate and fit some realisations of an experiment, in parts where memory is short."""
    forget_surplus_programs()
    setup = build(conf)
    if isinstance(setup.sky, MapsSky):
        with ahead(setup.signal, realisations) as signal:
            return joined(_fitted(replace(setup, signal=signal), _parts(realisations)))
    return joined(_fitted(setup, [realisations]))


def _parts(realisations: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What is fitted together while what follows is read: one by one, where lanes gain nothing."""
    return [realisations] if side_by_side() else [(r,) for r in realisations]


def _fitted(setup: Setup, parts: list[tuple[int, ...]]) -> list[BlockResult]:
    def fit(numbers: tuple[int, ...]) -> BlockResult:
        maps = setup.maps(numbers)
        return fit_block(
            setup.solver,
            setup.objective,
            setup.problem,
            maps,
            setup.bounds,
            setup.further_starts(numbers),
        )

    return [one for part in parts for one in halving(fit, part)]


def unit_arrays(segment: Segment, found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Every variable of a unit, shape (experiment, realisation, ...), clusters padded by NaN."""
    layout = segment.layout

    def values(name: str) -> np.ndarray:
        each = [arrays[name] for arrays in found]
        if name in KNOWN:
            each = [_padded(params, segment.clusters[name]) for params in each]
        return np.stack(each).astype(layout.dtype(name))

    return {name: values(name) for name in layout.variables}


def _padded(params: np.ndarray, count: int) -> np.ndarray:
    gap = count - params.shape[1]
    return np.pad(params.astype(float), ((0, 0), (0, gap)), constant_values=np.nan)


def device() -> str:
    """The accelerator, or `cpu`, that jax computes on here."""
    import jax

    return jax.devices()[0].device_kind
