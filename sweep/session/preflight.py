"""Before anything is created: each experiment is checked against its data and gets its shapes."""

from collections.abc import Callable
from typing import Any

from sweep.assemble.clusters import count_clusters
from sweep.assemble.data import (
    build_distorted,
    build_instrument,
    build_mask,
    check_data,
    file_count,
)
from sweep.assemble.shared import depending
from sweep.errors import ConfigError
from sweep.grid import Experiment, Geometry

_WORTH_SAYING = 1e-4
"""Share of precision."""

_MEMORY = ("instrument", "model", "solver", "fit")
"""Groups of settings that memory depends on, beside pixels, clusters and the kind of noise."""


class Preflight:
    """Looks at the experiments of a launch; what several share is looked at once."""

    def __init__(self) -> None:
        self._seen: dict[tuple, Any] = {}
        self._geometry: dict[str, Geometry] = {}
        self._largest: dict[tuple, tuple[int, Experiment]] = {}
        self._lost = (0.0, "", 1)

    def check(self, experiment: Experiment) -> None:
        """Check that all inputs of an experiment can be used.

        Raises:
            ConfigError: one cannot: what was expected, what was got, how to mend it.
        """
        from sweep.assemble.noise import check_noise
        from sweep.assemble.setup import build_band_nodes
        from sweep.assemble.solver import build_bounds, build_solver
        from sweep.assemble.weights import build_weights

        conf = experiment.conf
        try:
            numbers = experiment.realisations
            groups = ("sky", "instrument", "mask")
            self._once(experiment, groups, lambda: check_data(conf, numbers), numbers)
            mask = self._once(experiment, ("sky", "mask"), lambda: build_mask(conf))
            counts = self._once(
                experiment, ("sky", "mask", "clusters", "model"), lambda: count_clusters(conf, mask)
            )
        except MemoryError:
            raise ConfigError("not enough memory for the maps: choose a lower sky.nside") from None
        of_fit = ("instrument", "model", "parameters")
        self._once(experiment, of_fit, lambda: build_instrument(conf))  # has it bands enough?
        self._once(experiment, ("instrument", "fit"), lambda: build_band_nodes(conf))
        self._once(experiment, ("instrument",), lambda: build_distorted(conf))
        self._once(experiment, ("solver",), lambda: build_solver(conf))
        ones = dict.fromkeys(counts, 1)
        self._once(experiment, ("model", "parameters"), lambda: build_bounds(conf, ones, ones))
        self._once(experiment, ("noise", "instrument"), lambda: check_noise(conf, numbers), numbers)
        groups = ("sky", "instrument", "mask", "noise", "model", "parameters")
        _, lost = self._once(experiment, groups, lambda: build_weights(conf))
        self._lost = max(self._lost, lost)
        files = self._once(experiment, ("sky",), lambda: file_count(conf))
        self._geometry[experiment.identity] = Geometry(counts, mask.nside, mask.pixels, files)
        size = mask.pixels.size + sum(counts.values())
        if size > self._largest.get(_alike(experiment), (0, None))[0]:
            self._largest[_alike(experiment)] = (size, experiment)

    @property
    def notes(self) -> list[str]:
        """What a user should know of experiments that were checked, a line each."""
        share, name, classes = self._lost
        if share < _WORTH_SAYING:
            return []
        of_classes = {1: "one class of pixels", 0: "every pixel"}
        of = of_classes.get(classes, f"{classes} classes of pixels")
        return [
            f"noise: weights of {of} lose at most {100 * share:.2g} % of the precision of {name}"
        ]

    def geometry(self, experiment: Experiment) -> Geometry:
        """Shapes of an experiment that was checked."""
        return self._geometry[experiment.identity]

    def block(self, experiment: Experiment, missing: int, workers: int) -> int:
        """Realisations a unit: what the configuration says, or what there is memory for.

        The largest experiment decides for all like it; blocks are of about one size, and where
        experiments are few there are enough for all workers.
        """
        block = experiment.conf.fit.block
        if block != "auto":
            return min(block, missing)
        most = self._once(
            experiment,
            _MEMORY,
            lambda: self._auto(experiment, missing, workers),
            (missing, _alike(experiment)),
        )
        experiments = len(self._geometry)
        most = min(most, -(-missing // -(-workers // experiments)))
        return -(-missing // -(-missing // most))

    def _auto(self, experiment: Experiment, missing: int, workers: int) -> int:
        from sweep.assemble.setup import build
        from sweep.memory import auto_block

        largest = build(self._largest[_alike(experiment)][1].conf)
        return auto_block(
            largest.solver, largest.objective, largest.problem, largest.bounds, missing, workers
        )

    def _once(
        self, experiment: Experiment, names: tuple[str, ...], look: Callable[[], Any], *more: Any
    ) -> Any:
        """What `look` finds, which depends on these groups of settings."""
        used = depending(experiment.conf, names)
        key = (names, more, *(experiment.groups.digest(experiment.conf, n) for n in used))
        if key not in self._seen:
            self._seen[key] = look()
        return self._seen[key]


def _alike(experiment: Experiment) -> tuple[str, ...]:
    """Experiments whose memory differs by the number of pixels and clusters alone."""
    noise = experiment.conf.noise
    kind = (noise.name, str(getattr(noise, "classes", 1)))
    return (*kind, *(experiment.groups.digest(experiment.conf, name) for name in _MEMORY))
