"""What fits cost: a few are timed, and a power law carries them over to the rest of the grid."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest

import jax
import jax.numpy as jnp
import numpy as np

from sweep.assemble.setup import build
from sweep.config.schema import SweepConf
from sweep.engines import Engine, Lost
from sweep.errors import ConfigError
from sweep.grid import Experiment, Geometry
from sweep.jax_session import jax_session
from sweep.model import KNOWN
from sweep.programs import forget_programs
from sweep.store import Store
from sweep.worker import device, experiment_arrays

PILOT_SECONDS = 60.0
"""A pilot ends after so long."""

PILOT_EXPERIMENTS = 40
"""Nor does it try more."""

PILOT_FITS = 4
"""Realisations of an experiment that a pilot fits on a CPU; elsewhere a whole block."""

_EXPONENTS = {"pixels": 0.3, **dict(zip_longest(KNOWN, (0.3, 0.25), fillvalue=0.2))}
"""Of `benchmarks/growth.py`, roughly: what is assumed where the timed fits do not tell."""

_TRUST = 0.3
"""Standard deviation of the assumed exponents, in units of the scatter of the times."""

_loading: dict[tuple, float] = {}
"""Seconds that this process took to load the programs of a shape; one trial of each tells."""


@dataclass(frozen=True)
class Timing:
    """Seconds a fit of one experiment, the simulation of its noise included."""

    experiment: Experiment
    seconds: float


@dataclass(frozen=True)
class Trial:
    """Some fits of one experiment that a worker made to be timed; nothing is recorded of them.

    Attributes:
        shape: what their program is compiled for.
        device: what they ran on.
        fits: number of fits, in one block.
        cold: seconds of the first time in a worker, where the program may have to be compiled.
        loading: seconds that the worker took to load the program from jax's cache on disk.
        warm: seconds of the last time.
    """

    shape: tuple
    device: str
    fits: int
    cold: float
    loading: float
    warm: float


@dataclass(frozen=True)
class Pilot:
    """Trials of some experiments of a grid; at least one."""

    trials: tuple[Trial, ...]
    timings: tuple[Timing, ...]

    @property
    def device(self) -> str:
        """What they ran on."""
        return self.trials[0].device

    @property
    def shapes(self) -> int:
        """Number of different shapes; each is compiled once on a node."""
        return len({trial.shape for trial in self.trials})

    @property
    def compilation(self) -> float:
        """Seconds to compile a shape, on average; less where jax's cache on disk had some."""
        first = {trial.shape: trial for trial in reversed(self.trials)}
        return max(0.0, float(np.mean([t.cold - t.warm for t in first.values()])))

    def loading(self, units: int, workers: int) -> float:
        """Seconds of all workers until each has loaded the programs that its units need."""
        shapes = [trial.shape for trial in self.trials]
        loads = [
            workers * (1 - (1 - shapes.count(shape) / len(shapes)) ** (units / workers))
            for shape in set(shapes)
        ]
        return sum(loads) * float(np.mean([t.loading for t in self.trials]))


def pilot(
    experiments: Sequence[Experiment],
    realisations: Callable[[Experiment], tuple[int, ...]],
    engine: Engine,
    tried: Callable[[], None],
    seconds: float = PILOT_SECONDS,
) -> Pilot:
    """Time some experiments, drawn at random but the same each time; nothing is stored.

    Args:
        experiments: to draw from.
        realisations: those that an experiment is to fit in one block.
        engine: whose workers try them.
        tried: called after each.
        seconds: what would end later than that, as far as the longest so far tells, is let be once
            every solver was tried.

    Raises:
        ConfigError: fits of an experiment could not be made.
    """
    drawn, needed = _drawn(experiments)
    trials: dict[int, Trial] = {}
    start = last = time.perf_counter()
    longest = 0.0
    with closing(engine.map(try_out, [(e.conf, realisations(e)) for e in drawn])) as running:
        for i, trial in running:
            if isinstance(trial, Lost):
                raise ConfigError(f"the fits that were to be timed failed: {trial.reason}")
            trials[i] = trial
            tried()
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
            if last - start + longest > seconds and needed <= trials.keys():
                break
    timings = [Timing(drawn[i], trial.warm / trial.fits) for i, trial in sorted(trials.items())]
    return Pilot(tuple(trial for _, trial in sorted(trials.items())), tuple(timings))


@jax_session()
def try_out(asked: tuple[SweepConf, tuple[int, ...]]) -> Trial:
    """Fit realisations of an experiment twice, or thrice where its program is yet to be loaded."""
    conf, numbers = asked
    if jax.default_backend() == "cpu":
        numbers = numbers[:PILOT_FITS]
    shape = _shape(conf)
    cold = _seconds(conf, numbers)
    if shape in _loading:
        warm = _seconds(conf, numbers)
    else:
        forget_programs()
        loaded, warm = _seconds(conf, numbers), _seconds(conf, numbers)
        _loading[shape] = max(0.0, loaded - warm)
    return Trial(shape, device(), len(numbers), cold, _loading[shape], warm)


def _drawn(experiments: Sequence[Experiment]) -> tuple[list[Experiment], set[int]]:
    """Experiments in random order, and which of them are needed: one of each solver, at first."""
    drawn = [experiments[i] for i in np.random.default_rng(0).permutation(len(experiments))]
    first = list({_solver(experiment): experiment for experiment in reversed(drawn)}.values())
    others = [e for e in drawn if not any(e is f for f in first)]
    chosen = first + others[: max(0, PILOT_EXPERIMENTS - len(first))]
    return chosen, set(range(len(first)))


def recorded(store: Store | None, experiments: Mapping[str, Experiment]) -> list[Timing]:
    """Seconds a fit of those experiments that the store holds recorded units of.

    The first unit of each worker is left out, since it compiled; so is what a copy came with.
    """
    if store is None:
        return []
    records = sorted((r for each in store.records.values() for r in each), key=lambda r: r.time)
    started: set[str] = set()
    spent: dict[str, list[float]] = {}
    for record in records:
        segment = store.segments.get(record.unit.segment)
        first = record.worker not in started
        started.add(record.worker)
        if segment is None or first or record.attempt == 0:
            continue
        rows, columns = segment.layout.slices(record.unit)
        fits = (rows.stop - rows.start) * (columns.stop - columns.start)
        for key in segment.identities[rows]:
            if key in experiments:
                spent.setdefault(key, []).append(record.seconds / fits)
    return [Timing(experiments[key], float(np.mean(each))) for key, each in spent.items()]


class CostModel:
    """Seconds a fit, as a power law of pixels and cluster counts with a factor for each solver.

    Least squares in logarithms, with the exponents drawn towards assumed ones, so that a few
    timings do and many decide for themselves.

    Args:
        timings: what was seen; at least one of each solver.
        geometry: shapes of an experiment.
    """

    def __init__(
        self, timings: Sequence[Timing], geometry: Callable[[Experiment], Geometry]
    ) -> None:
        self._geometry = geometry
        self._solvers = sorted({_solver(t.experiment) for t in timings})
        self._fit(timings)
        seen = np.array([t.seconds for t in timings])
        self._level = 1.0
        self._level = float(seen.sum() / self.seconds([t.experiment for t in timings]).sum())
        self.error = self._left_out(timings)

    def seconds(self, experiments: Sequence[Experiment]) -> np.ndarray:
        """Estimated seconds a fit, shape (experiment,)."""
        return self._level * np.exp(self._features(experiments) @ self._weights)

    def _fit(self, timings: Sequence[Timing]) -> None:
        x = self._features([t.experiment for t in timings])
        y = np.log([t.seconds for t in timings])
        assumed = np.concatenate([np.zeros(len(self._solvers)), list(_EXPONENTS.values())])
        free = np.concatenate([np.zeros(len(self._solvers)), np.full(len(_EXPONENTS), 1 / _TRUST)])
        rows = np.concatenate([x, np.diag(free)])
        self._weights = np.linalg.lstsq(rows, np.concatenate([y, free * assumed]), rcond=None)[0]

    def _features(self, experiments: Sequence[Experiment]) -> np.ndarray:
        shapes = [self._geometry(e) for e in experiments]
        sizes = [[g.pixels.size, *(g.counts.get(p, 1) for p in KNOWN)] for g in shapes]
        known = [[float(_solver(e) == name) for name in self._solvers] for e in experiments]
        return np.concatenate([np.array(known), np.log(np.array(sizes, dtype=float))], axis=1)

    def _left_out(self, timings: Sequence[Timing]) -> float:
        """Relative standard error of a mean, from predicting each timing without it."""
        if len(timings) < 3:
            return float("nan")
        weights = self._weights
        misses = []
        for i, timing in enumerate(timings):
            others = [t for j, t in enumerate(timings) if j != i]
            if _solver(timing.experiment) in {_solver(t.experiment) for t in others}:
                self._fit(others)
                misses.append(float(self.seconds([timing.experiment])[0]) - timing.seconds)
        self._weights = weights
        mean = float(np.mean([t.seconds for t in timings]))
        return float(np.sqrt(np.mean(np.square(misses)) / len(misses)) / mean) if misses else np.nan


def _solver(experiment: Experiment) -> str:
    return experiment.conf.solver.name


def _seconds(conf: SweepConf, numbers: tuple[int, ...]) -> float:
    start = time.perf_counter()
    experiment_arrays(conf, numbers, conf.store.spectra != "none")
    return time.perf_counter() - start


def _shape(conf: SweepConf) -> tuple:
    """What a program is compiled for."""
    setup = build(conf)
    cells = setup.problem.cells
    axes = jax.tree.map(jnp.shape, setup.bounds)
    return setup.solver, cells.form, cells.index.shape, cells.lengths, str(axes)
