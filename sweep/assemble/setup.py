"""Everything that fits one experiment."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweep.assemble.clusters import build_clusters
from sweep.assemble.data import (
    Signal,
    build_bands,
    build_distorted,
    build_instrument,
    build_mask,
    build_signal,
    build_sky,
)
from sweep.assemble.noise import build_noise
from sweep.assemble.solver import build_bounds, build_solver
from sweep.assemble.weights import build_weights
from sweep.bands import BandNodes, band_nodes
from sweep.clusters.base import Clusters
from sweep.config.models import sky_model
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.fit import objective_of
from sweep.instrument import Instrument
from sweep.jax_session import jax_session
from sweep.mask import Mask
from sweep.noise.weights import Weights
from sweep.problem import PixelWeights, SpectralProblem
from sweep.sky import MapsSky, Sky
from sweep.solvers import Bounds, Objective, Solver
from sweep.solvers.base import BlockMaps
from sweep.solvers.starts import drawn_starts
from sweep.store import NOISELESS
from sweep.types import Draw, Params


@dataclass(frozen=True)
class Setup:
    """One experiment, ready to be fitted.

    Attributes:
        problem: the likelihood.
        bounds: start, box and priors; cluster axes are padded to lengths that like counts share.
        signal: maps of the kept pixels before noise is added, by realisation.
        distorted: the same where the instrument has errors; None where it has none.
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
    distorted: Signal | None
    noise: Draw | None
    precision: str
    seed: int

    @property
    def counts(self) -> dict[str, int]:
        """Number of clusters of every parameter."""
        return self.clusters.counts

    @jax_session()
    def maps(self, realisations: tuple[int, ...]) -> BlockMaps:
        """Observed maps, uK_CMB, shape (realisation, frequency, stokes, pixel)."""
        seen, signal = None, jnp.zeros(0)

        def one(realisation: int) -> Any:
            nonlocal seen, signal
            data = self.signal
            if self.distorted is not None and realisation != NOISELESS:
                data = self.distorted
            found = data(realisation)
            if found is not seen:  # most skies are the same in all realisations
                seen, signal = found, jnp.asarray(found.astype(self.precision, copy=False))
            if realisation == NOISELESS or self.noise is None:
                return signal
            seen = signal
            if self.distorted is not None:
                seen = jnp.asarray(self.distorted(realisation), signal.dtype)
            return seen if self.noise is None else seen + self.noise(realisation).astype(seen.dtype)

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
    solver, counts = build_solver(conf), clusters.counts
    pad = padded if solver.ignores_padding else int
    lengths = {p: pad(count) for p, count in counts.items()}
    weights, _ = build_weights(conf)
    problem = SpectralProblem.create(
        frequency=jnp.asarray(instrument.frequency),
        inverse_sigma=jnp.asarray(1.0 / weights.sigma),
        labels={p: jnp.asarray(labels) for p, labels in clusters.labels.items()},
        model=sky_model(conf),
        bands=build_band_nodes(conf),
        weights=pixel_weights(weights),
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
        distorted=build_distorted(conf),
        noise=build_noise(conf).draw,
        precision=conf.fit.precision,
        seed=conf.noise.seed,
    )


def build_band_nodes(conf: SweepConf) -> BandNodes | None:
    """What the likelihood needs of bands of finite width; None where all are monochromatic.

    Raises:
        ConfigError: a band cannot be used, or furax is asked for, which knows monochromatic bands.
    """
    bands = build_bands(conf)
    if bands is None:
        return None
    if conf.fit.likelihood == "furax":
        raise ConfigError(
            "fit.likelihood = furax: furax's likelihood knows monochromatic bands only, and the "
            "instrument has a width of bands; use fit.likelihood=direct"
        )
    return jax.tree.map(jnp.asarray, band_nodes(bands))


def pixel_weights(weights: Weights) -> PixelWeights | None:
    """What the likelihood needs of weights beside those of bands; None where pixels are alike."""
    if weights.stokes is None and weights.bands is None:
        return None

    def on_device(values: np.ndarray | None) -> jax.Array | None:
        return None if values is None else jnp.asarray(values)

    label = None if weights.label is None else jnp.asarray(weights.label, jnp.int32)
    return PixelWeights(on_device(weights.stokes), on_device(weights.bands), label)


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
