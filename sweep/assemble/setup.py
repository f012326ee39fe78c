"""Everything that fits one experiment."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from sweep.assemble.clusters import build_clusters, counts_of
from sweep.assemble.data import (
    Draw,
    Signal,
    build_instrument,
    build_mask,
    build_noise,
    build_signal,
    build_sky,
)
from sweep.assemble.solver import build_bounds, build_solver
from sweep.clusters.base import Clusters
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.fit import objective_of
from sweep.instrument import Instrument
from sweep.jax_session import jax_session
from sweep.mask import Mask
from sweep.model import standard
from sweep.problem import SpectralProblem
from sweep.sky import MapsSky, Sky
from sweep.solvers import Bounds, Objective, Solver
from sweep.solvers.base import BlockMaps
from sweep.solvers.starts import drawn_starts
from sweep.store import NOISELESS
from sweep.types import PARAMETERS, Parameter, Params


@dataclass(frozen=True)
class Setup:
    """One experiment, ready to be fitted.

    Attributes:
        problem: the likelihood.
        bounds: start, box and priors; cluster axes are padded to lengths that like counts share.
        signal: maps of the kept pixels before noise is added, by realisation.
        noise: of a realisation, by its number, in the kept pixels; None for none.
        precision: dtype of the maps.
        seed: of further starts.
    """

    instrument: Instrument
    sky: Sky | MapsSky
    mask: Mask
    clusters: Clusters
    problem: SpectralProblem
    bounds: Bounds
    solver: Solver
    objective: Objective
    signal: Signal
    noise: Draw | None
    precision: str
    seed: int

    @property
    def counts(self) -> dict[Parameter, int]:
        """Number of clusters of every parameter."""
        return counts_of(self.clusters)

    @jax_session()
    def maps(self, realisations: tuple[int, ...]) -> BlockMaps:
        """Observed maps, uK_CMB, shape (realisation, frequency, stokes, pixel)."""
        seen, signal = None, jnp.zeros(0)

        def one(realisation: int) -> Any:
            nonlocal seen, signal
            found = self.signal(realisation)
            if found is not seen:  # most skies are the same in all realisations
                seen, signal = found, jnp.asarray(found.astype(self.precision, copy=False))
            if realisation == NOISELESS or self.noise is None:
                return signal
            return signal + self.noise(realisation).astype(signal.dtype)

        return jnp.stack([one(r) for r in realisations])

    @jax_session()
    def further_starts(self, realisations: tuple[int, ...]) -> list[Params]:
        """The drawn starts that `solver.starts` asks for, shape (realisation, cluster) each."""
        return [
            drawn_starts(self.bounds, self.seed, realisations, number)
            for number in range(1, self.solver.starts)
        ]


def build(conf: SweepConf) -> Setup:
    """Make the objects of one experiment; the expensive ones are shared between experiments.

    Raises:
        ConfigError: an input cannot be used: what was expected, what was got, how to mend it.
    """
    _require_double()
    instrument = build_instrument(conf)
    sky, mask, clusters = build_sky(conf), build_mask(conf), build_clusters(conf)
    solver, counts = build_solver(conf), counts_of(clusters)
    pad = padded if solver.ignores_padding else int
    lengths: dict[Parameter, int] = {p: pad(counts[p]) for p in PARAMETERS}
    problem = SpectralProblem.create(
        frequency=jnp.asarray(instrument.frequency),
        inverse_sigma=jnp.asarray(1.0 / instrument.noise_sigma(mask.nside)),
        labels={p: jnp.asarray(getattr(clusters, p).labels) for p in PARAMETERS},
        model=standard(float(conf.parameters.dust_nu0), float(conf.parameters.synchrotron_nu0)),
    )
    return Setup(
        instrument=instrument,
        sky=sky,
        mask=mask,
        clusters=clusters,
        problem=problem,
        bounds=build_bounds(conf, lengths, counts),
        solver=solver,
        objective=objective_of(conf.fit.likelihood),
        signal=build_signal(conf),
        noise=build_noise(conf),
        precision=conf.fit.precision,
        seed=conf.noise.seed,
    )


def _require_double() -> None:
    """Refuse single precision: what is built in it could not be mended later."""
    if jnp.result_type(float) != jnp.float64:
        raise ConfigError(
            "a likelihood needs 64-bit numbers, and jax is in single precision: "
            "use `sweep.build`, or build and fit inside `with jax.enable_x64(True):`"
        )


def padded(count: int) -> int:
    """Length of a cluster axis: the next power of two, so that a grid compiles a few times."""
    return 1 << (count - 1).bit_length()
