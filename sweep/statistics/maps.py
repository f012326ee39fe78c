"""Results on the sphere: clusters, spectral parameters, CMB and residuals of an experiment.

HEALPix RING, Galactic coordinates, the COSMO convention of Q and U; `healpy.UNSEEN` outside the
mask, as healpy draws and writes it.
"""

from dataclasses import dataclass

import healpy as hp
import numpy as np

from sweep.cache import Arrays
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.kept import content_of, kept
from sweep.statistics.recovered import kept_pixels, recovered_cmb, residual_of
from sweep.store import NOISELESS

Map = np.ndarray
"""float64, shape (npix,) or (stokes, npix)."""


@dataclass(frozen=True)
class ResidualMaps:
    """Recovered minus true CMB of an experiment, r_i = s + n_i in realisation i.

    Attributes:
        nside: HEALPix resolution.
        pixels: RING indices of the kept pixels, shape (pixel,).
        realisations: how many usable realisations there are.
        mean: mean over R realisations: s, and 1/R of the power of n. uK_CMB, shape (stokes, pixel).
        noiseless: residual of the noise-free fit, s, of the same shape; None where there is none.
        statistical: standard deviation of n_i over realisations in each pixel, uK_CMB, of the same
            shape; NaN with one realisation and no noise-free fit.
        total: root of the mean over realisations of r_i^2, uK_CMB, of the same shape.
        variances: `total`, `systematic` and `statistical`: var Q + var U over the kept pixels, in
            uK^2. Without a noise-free fit `systematic` is the mean of the products of different
            realisations, free of the share of n in `mean`; it may be negative.
    """

    nside: int
    pixels: np.ndarray
    realisations: int
    mean: np.ndarray
    noiseless: np.ndarray | None
    statistical: np.ndarray
    total: np.ndarray
    variances: dict[str, float]

    @property
    def systematic(self) -> np.ndarray:
        """What a map can show of s: the noise-free fit, else the mean with noise in it.

        Its variance is not that of s in the second case: `variances` has that one.
        """
        return self.mean if self.noiseless is None else self.noiseless

    @property
    def estimate(self) -> str:
        """What the variance of s is made from."""
        return "pairs of realisations" if self.noiseless is None else "fit without noise"


def sphere(values: np.ndarray, pixels: np.ndarray, nside: int) -> Map:
    """Values of kept pixels, shape (..., pixel), on the whole sphere, shape (..., npix)."""
    values = np.asarray(values, np.float64)
    full = np.full((*values.shape[:-1], hp.nside2npix(nside)), hp.UNSEEN)
    full[..., pixels] = np.where(np.isfinite(values), values, hp.UNSEEN)
    return full


def cluster_maps(experiment: ExperimentView) -> dict[str, Map]:
    """Labels of the clusters of every parameter, from 0 on, each of shape (npix,).

    Raises:
        ConfigError: a file that the experiment was made from is gone or has changed.
    """
    from sweep.assemble.clusters import build_clusters  # imports jax

    counts = build_clusters(experiment.configuration).counts
    return on_pixels(experiment, {p: np.arange(count) for p, count in counts.items()})


def on_pixels(experiment: ExperimentView, values: dict[str, np.ndarray]) -> dict[str, Map]:
    """A number for every cluster, shape (cluster,), put on the sphere, each of shape (npix,).

    Raises:
        ConfigError: as `cluster_maps`.
    """
    from sweep.assemble.clusters import build_clusters  # imports jax
    from sweep.assemble.data import build_mask  # imports jax

    conf = experiment.configuration
    mask, clusters = build_mask(conf), build_clusters(conf)
    return {
        p: sphere(v[clusters.labels[p]], mask.pixels, conf.sky.nside) for p, v in values.items()
    }


def parameter_maps(experiment: ExperimentView, realisation: int) -> dict[str, Map]:
    """Fitted spectral parameters in their own units, each of shape (npix,).

    Raises:
        ConfigError: as `cluster_maps`; parameters were not kept, or the fit is not usable.
    """
    from sweep.statistics.fitted import recorded  # imports jax

    one = recorded(experiment, realisation)
    return on_pixels(experiment, {p.name: one[p.name].values for p in experiment.parameters})


def true_parameter_maps(experiment: ExperimentView) -> dict[str, Map]:
    """Spectral parameters of the input sky, each of shape (npix,); empty where it has none.

    Raises:
        ConfigError: as `cluster_maps`.
    """
    from sweep.assemble.data import build_mask, build_sky  # imports jax

    conf = experiment.configuration
    truth, mask = build_sky(conf).truth, build_mask(conf)
    return {
        p: sphere(truth[p][mask.pixels], mask.pixels, conf.sky.nside)
        for p in (parameter.name for parameter in experiment.parameters)
        if p in truth
    }


def cmb_maps(experiment: ExperimentView, realisation: int) -> Map:
    """Recovered CMB of one realisation, uK_CMB, shape (stokes, npix).

    Raises:
        ConfigError: as `recovered_cmb`.
    """
    (cmb,) = recovered_cmb(experiment, [realisation])
    imported = experiment.imported_settings
    nside = int(imported["sky.nside"]) if imported else experiment.configuration.sky.nside
    return sphere(cmb, kept_pixels(experiment), nside)


def residual_maps(experiment: ExperimentView) -> ResidualMaps:
    """Total, systematic and statistical residual over the usable realisations.

    Raises:
        ConfigError: there is no usable noisy fit, or as `recovered_cmb`.
    """
    noisy = experiment.noisy.tolist()
    if not noisy:
        raise experiment.missing("no usable fit of a realisation with noise")
    content = content_of(experiment, experiment.realisations)
    found = kept("maps", content, lambda: _residual_arrays(experiment, noisy))
    variances = ("total", "systematic", "statistical")
    return ResidualMaps(
        nside=int(found["nside"]),
        pixels=found["pixels"],
        realisations=len(noisy),
        mean=found["mean"],
        noiseless=found.get("noiseless"),
        statistical=found["statistical"],
        total=found["total"],
        variances={name: float(found[f"{name}_variance"]) for name in variances},
    )


def _residual_arrays(experiment: ExperimentView, noisy: list[int]) -> Arrays:
    """What `ResidualMaps` has of some realisations; no `noiseless` where there is none."""
    residual = residual_of(experiment, noisy)
    count, mean = len(noisy), residual.mean(axis=0)
    noiseless = residual_of(experiment, [NOISELESS])[0] if experiment.has_noiseless else None
    centre, degrees = (mean, count - 1) if noiseless is None else (noiseless, count)
    scatter = residual - centre
    with np.errstate(invalid="ignore", divide="ignore"):
        statistical = np.sqrt(np.sum(scatter**2, axis=0) / degrees)
        noise = np.sum(_variance(scatter)) / degrees
    # the mean holds 1/R of the noise
    systematic = _variance(centre) - (noise / count if noiseless is None else 0.0)
    return {
        "nside": np.array(experiment.configuration.sky.nside),
        "pixels": kept_pixels(experiment),
        "mean": mean,
        **({} if noiseless is None else {"noiseless": noiseless}),
        "statistical": statistical,
        "total": np.sqrt(np.mean(residual**2, axis=0)),
        "total_variance": np.asarray(np.mean(_variance(residual))),
        "systematic_variance": systematic,
        "statistical_variance": noise,
    }


def _variance(maps: np.ndarray) -> np.ndarray:
    """Var Q + var U over pixels of maps, shape (..., stokes, pixel)."""
    return np.var(maps, axis=-1).sum(axis=-1)
