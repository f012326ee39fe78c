"""What fits cost: a few are timed, and a power law carries them over to the rest of the grid."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from sweep.config.build import build
from sweep.grid import Experiment, Geometry
from sweep.store import Store
from sweep.types import PARAMETERS
from sweep.worker import fit_experiment

PILOT_SECONDS = 60.0
"""A pilot begins no further experiment after so long."""

PILOT_EXPERIMENTS = 40
"""Nor does it try more."""

PILOT_FITS = 4
"""Realisations of an experiment that a pilot fits on a CPU; elsewhere a whole block."""

_EXPONENTS = {"pixels": 0.3, "beta_dust": 0.3, "temp_dust": 0.25, "beta_pl": 0.2}
"""Of `benchmarks/growth.py`, roughly: what is assumed where the timed fits do not tell."""

_TRUST = 0.3
"""Standard deviation of the assumed exponents, in units of the scatter of the times."""


@dataclass(frozen=True)
class Timing:
    """Seconds a fit of one experiment, the simulation of its noise included."""

    experiment: Experiment
    seconds: float


@dataclass(frozen=True)
class Pilot:
    """Fits that were made to be timed.

    Attributes:
        timings: of each experiment tried.
        shapes: number of different shapes among them; each is compiled once.
        compilation: seconds that the first fit of a shape took longer than the second, on average.
        device: what they ran on.
    """

    timings: tuple[Timing, ...]
    shapes: int
    compilation: float
    device: str


def pilot(
    experiments: Sequence[Experiment],
    realisations: Callable[[Experiment], tuple[int, ...]],
    tried: Callable[[], None],
    seconds: float = PILOT_SECONDS,
) -> Pilot:
    """Time some experiments, drawn at random but the same each time; nothing is stored.

    Args:
        experiments: to draw from.
        realisations: those that an experiment is to fit in one block.
        tried: called after each.
        seconds: no further one is begun after so long.
    """
    on_cpu = jax.default_backend() == "cpu"
    timings, shapes, extra = [], set(), []
    start = time.perf_counter()
    for experiment, needed in _drawn(experiments):
        if not needed and time.perf_counter() - start > seconds:
            break
        numbers = realisations(experiment)
        numbers = numbers[:PILOT_FITS] if on_cpu else numbers
        shape = _shape(experiment)
        # the first fit of a shape compiles; of any, it may have to compute clusters
        cold = _seconds(experiment, numbers)
        warm = _seconds(experiment, numbers)
        if shape not in shapes:
            extra.append(cold - warm)
        shapes.add(shape)
        timings.append(Timing(experiment, warm / len(numbers)))
        tried()
    compilation = max(0.0, float(np.mean(extra)))
    return Pilot(tuple(timings), len(shapes), compilation, jax.devices()[0].device_kind)


def _drawn(experiments: Sequence[Experiment]) -> Iterator[tuple[Experiment, bool]]:
    """Experiments in random order, those first that are needed: one of each solver."""
    drawn = [experiments[i] for i in np.random.default_rng(0).permutation(len(experiments))]
    first = {_solver(experiment): experiment for experiment in reversed(drawn)}
    for experiment in first.values():
        yield experiment, True
    others = [e for e in drawn if e is not first[_solver(e)]]
    for experiment in others[: max(0, PILOT_EXPERIMENTS - len(first))]:
        yield experiment, False


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
        sizes = [[g.pixels.size, *(g.counts[p] for p in PARAMETERS)] for g in shapes]
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


def _seconds(experiment: Experiment, numbers: tuple[int, ...]) -> float:
    start = time.perf_counter()
    fit_experiment(experiment.conf, numbers)
    return time.perf_counter() - start


def _shape(experiment: Experiment) -> tuple:
    """What a program is compiled for."""
    setup = build(experiment.conf)
    cells, start = setup.problem.cells, setup.bounds.start
    lengths = tuple(start[p].shape for p in PARAMETERS)
    return setup.solver, cells.form, cells.index.shape, cells.lengths, lengths
