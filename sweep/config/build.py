"""The only bridge from configuration to objects: everything that fits one experiment."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from sweep.cache import Cache, canonical_json
from sweep.clusters import (
    Clusters,
    binned_clusters,
    file_clusters,
    kmeans_clusters,
    kmeans_counts,
    multires_clusters,
)
from sweep.config.parameters import check_parameters
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.fit import OBJECTIVES
from sweep.grid.identity import scientific
from sweep.instrument import Instrument, read_instrument
from sweep.jax_session import jax_session
from sweep.mask import GalacticMasks, Mask, parse_mask, read_masks
from sweep.noise import white_noise_at
from sweep.problem import Prior, SpectralProblem
from sweep.sky import Sky, check_finite, pysm_sky, synthetic_sky, template_sky
from sweep.solvers import SOLVERS, Bounds, Objective, Solver
from sweep.solvers.base import BlockMaps
from sweep.solvers.starts import drawn_starts
from sweep.store import NOISELESS
from sweep.types import PARAMETERS, Parameter, Params

LEAST_BANDS = 4
"""With three, amplitudes of three components leave nothing that spectra could be fitted to."""


@dataclass(frozen=True)
class Setup:
    """One experiment, ready to be fitted.

    Attributes:
        problem: the likelihood.
        bounds: start, box and priors; cluster axes are padded to lengths that like counts share.
        signal: noise-free maps of the kept pixels, uK_CMB, shape (frequency, stokes, pixel).
    """

    instrument: Instrument
    sky: Sky
    mask: Mask
    clusters: Clusters
    problem: SpectralProblem
    bounds: Bounds
    solver: Solver
    objective: Objective
    signal: np.ndarray
    noise_ratio: float
    noise_seed: int

    @property
    def counts(self) -> dict[Parameter, int]:
        """Number of clusters of every parameter."""
        return {p: getattr(self.clusters, p).count for p in PARAMETERS}

    @jax_session()
    def maps(self, realisations: tuple[int, ...]) -> BlockMaps:
        """Observed maps, uK_CMB, shape (realisation, frequency, stokes, pixel)."""
        sigma = self.noise_ratio * self.instrument.noise_sigma(self.mask.nside)
        signal = jnp.asarray(self.signal)

        def one(realisation: int) -> Any:
            if realisation == NOISELESS or self.noise_ratio == 0:
                return signal
            noise = white_noise_at(
                self.noise_seed, realisation, sigma, self.mask.nside, self.mask.pixels
            )
            return signal + noise.astype(signal.dtype)

        return jnp.stack([one(r) for r in realisations])

    @jax_session()
    def further_starts(self, realisations: tuple[int, ...]) -> list[Params]:
        """The drawn starts that `solver.starts` asks for, shape (realisation, cluster) each."""
        return [
            drawn_starts(self.bounds, self.noise_seed, realisations, number)
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
    solver = build_solver(conf)
    counts: dict[Parameter, int] = {p: getattr(clusters, p).count for p in PARAMETERS}
    pad = padded if solver.ignores_padding else int
    lengths: dict[Parameter, int] = {p: pad(counts[p]) for p in PARAMETERS}
    problem = SpectralProblem.create(
        frequency=jnp.asarray(instrument.frequency),
        inverse_sigma=jnp.asarray(1.0 / instrument.noise_sigma(mask.nside)),
        labels={p: jnp.asarray(getattr(clusters, p).labels) for p in PARAMETERS},
        dust_nu0=float(conf.parameters.dust_nu0),
        synchrotron_nu0=float(conf.parameters.synchrotron_nu0),
    )
    return Setup(
        instrument=instrument,
        sky=sky,
        mask=mask,
        clusters=clusters,
        problem=problem,
        bounds=build_bounds(conf, lengths, counts),
        solver=solver,
        objective=OBJECTIVES[conf.fit.likelihood],
        signal=build_signal(conf).astype(conf.fit.precision),
        noise_ratio=conf.noise.ratio,
        noise_seed=conf.noise.seed,
    )


def _require_double() -> None:
    """Refuse single precision: what is built in it could not be mended later."""
    if jnp.result_type(float) != jnp.float64:
        raise ConfigError(
            "a likelihood needs 64-bit numbers, and jax is in single precision: "
            "use `sweep.build`, or build and fit inside `with jax.enable_x64(True):`"
        )


def build_instrument(conf: SweepConf) -> Instrument:
    """Bands and depths, from the configuration or from `instrument.path`."""
    given = conf.instrument
    made = (
        read_instrument(given.path)
        if given.path is not None
        else Instrument(
            given.name, np.asarray(given.frequency), np.asarray(given.depth_p), given.source
        )
    )
    bands = np.unique(made.frequency).size
    if bands < LEAST_BANDS:
        raise ConfigError(
            f"instrument `{made.name}`: {bands} different frequencies, expected at least "
            f"{LEAST_BANDS}: CMB, dust and synchrotron alone fit any three"
        )
    return made


def build_sky(conf: SweepConf) -> Sky:
    """The true sky."""
    return _shared(_sky, conf, ("sky",))


def build_mask(conf: SweepConf) -> Mask:
    """The kept pixels; every map of the sky is finite there."""
    return _shared(_mask, conf, ("sky", "mask"))


def build_clusters(conf: SweepConf) -> Clusters:
    """Clusters of the three parameters on the kept pixels."""
    return _shared(_clusters, conf, ("sky", "mask", "clusters"))


def count_clusters(conf: SweepConf, mask: Mask) -> dict[Parameter, int]:
    """Number of clusters of every parameter; k-means is not computed for it.

    With `clusters.method=jax_healpy` some may turn out empty, so that there are fewer.
    """
    given = conf.clusters
    if given.name == "kmeans":
        return kmeans_counts(mask, {p: getattr(given, p) for p in PARAMETERS}, given.clip)
    clusters = build_clusters(conf)
    return {p: getattr(clusters, p).count for p in PARAMETERS}


def build_signal(conf: SweepConf) -> np.ndarray:
    """Noise-free maps of the kept pixels, uK_CMB, shape (frequency, stokes, pixel)."""
    return _shared(_signal, conf, ("sky", "instrument", "mask"))


def build_solver(conf: SweepConf) -> Solver:
    """The minimiser that the configuration names."""
    settings = asdict(conf.solver)
    kind = SOLVERS.get(conf.solver.name)
    if kind is None or {item.name for item in fields(kind)} != set(settings):
        raise ConfigError(f"solver.name = {conf.solver.name!r}: choose by solver=..., not by name")
    return kind(**settings)


def build_bounds(
    conf: SweepConf, lengths: Mapping[Parameter, int], counts: Mapping[Parameter, int]
) -> Bounds:
    """Start, box and prior of every parameter.

    Args:
        conf: the configuration.
        lengths: of the cluster axes.
        counts: of the clusters on them; what is beyond only pads.

    Raises:
        ConfigError: two settings of a parameter do not go together.
    """
    check_parameters(conf.parameters)
    start, low, high, fixed, mean, precision = ({} for _ in range(6))
    for p in PARAMETERS:
        given = getattr(conf.parameters, p)
        full = partial(np.full, lengths[p])
        if given.fixed is not None:
            fixed[p] = full(float(given.fixed))
            continue
        start[p], low[p], high[p] = (full(float(v)) for v in (given.start, given.low, given.high))
        if given.prior.width is not None:
            centre = given.start if given.prior.mean is None else given.prior.mean
            mean[p] = full(float(centre))
            precision[p] = np.where(
                np.arange(lengths[p]) < counts[p], float(given.prior.width) ** -2, 0.0
            )
    return Bounds(start, low, high, fixed, Prior(mean, precision) if mean else None)


class _Shared:
    """A configuration that hashes by the groups it is used for, so that results are shared."""

    def __init__(self, conf: SweepConf, groups: tuple[str, ...]) -> None:
        self.conf = conf
        self.key = canonical_json([scientific(getattr(conf, g), f"{g}.") for g in groups])

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shared) and self.key == other.key


def _shared(make: Callable[[_Shared], Any], conf: SweepConf, groups: tuple[str, ...]) -> Any:
    return make(_Shared(conf, groups))


@lru_cache(maxsize=4)
def _sky(shared: _Shared) -> Sky:
    sky, cache = shared.conf.sky, _cache(shared)
    if sky.name == "synthetic":
        return synthetic_sky(sky.nside, sky.seed, sky.r, sky.cmb_seed, cache)
    if sky.name == "templates":
        return template_sky(sky.path, sky.nside)
    return pysm_sky(sky.tag, sky.nside, sky.cmb_seed, cache)


@lru_cache(maxsize=16)
def _mask(shared: _Shared) -> Mask:
    conf, sky = shared.conf, build_sky(shared.conf)
    named = (
        read_masks(conf.mask.path, sky.nside)
        if conf.mask.path
        else GalacticMasks(sky.dust_intensity())
    )
    mask = parse_mask(conf.mask.expression, sky.nside, named)
    check_finite(sky, mask.keep)
    return mask


@lru_cache(maxsize=64)
def _clusters(shared: _Shared) -> Clusters:
    conf, mask = shared.conf.clusters, build_mask(shared.conf)
    if conf.name == "file":
        return file_clusters(mask, conf.path)
    values: dict[Parameter, int] = {p: getattr(conf, p) for p in PARAMETERS}
    if conf.name == "multires":
        return multires_clusters(mask, values)
    if conf.name == "binned":
        return binned_clusters(mask, conf.path, values)
    return kmeans_clusters(mask, values, conf.seed, _cache(shared), conf.clip, conf.method)


def _cache(shared: _Shared) -> Cache:
    return Cache(Path(str(shared.conf.store.cache)))


@lru_cache(maxsize=4)
def _signal(shared: _Shared) -> np.ndarray:
    sky, mask = build_sky(shared.conf), build_mask(shared.conf)
    frequency = build_instrument(shared.conf).frequency
    signal = sky.maps(frequency)[..., mask.pixels]
    bad = np.argwhere(~np.isfinite(signal))
    if bad.size:
        band, _, pixel = bad[0]
        raise ConfigError(
            f"the sky is not finite at {len(np.unique(bad[:, 2]))} kept pixels, first pixel "
            f"{mask.pixels[pixel]} at {frequency[band]:g} GHz: check its parameter maps"
        )
    return signal


def padded(count: int) -> int:
    """Length of a cluster axis: the next power of two, so that a grid compiles a few times."""
    return 1 << (count - 1).bit_length()
