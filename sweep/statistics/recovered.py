"""The CMB map of a recorded fit: the one that was kept, or the same made again.

Data follow from the configuration and the number of the realisation, and the map follows from the
data and the parameters by a linear solve. So a store that keeps parameters (the default) has every
map and every residual, without the disk space of maps and without a new fit.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from sweep.jax_session import jax_session
from sweep.statistics.experiment import ExperimentView
from sweep.types import Status


def kept_pixels(experiment: ExperimentView) -> np.ndarray:
    """RING indices of the pixels that an experiment fitted, int64, shape (pixel,).

    Raises:
        ConfigError: a file that the experiment was made from is gone or has changed.
    """
    stored = experiment.stored
    if "cmb" in stored:
        there = np.isfinite(stored["cmb"].values).any(axis=(0, 1))
        if there.any():
            return stored["healpix_index"].values[there]
    from sweep.assemble.data import build_mask  # imports jax

    return build_mask(experiment.configuration).pixels


@jax_session()
def recovered_cmb(experiment: ExperimentView, realisations: Sequence[int]) -> np.ndarray:
    """Recovered CMB of some realisations of an experiment.

    Args:
        experiment: the experiment.
        realisations: their numbers, -1 for the noise-free fit; all must be recorded and usable.

    Returns:
        uK_CMB, shape (realisation, stokes, pixel), pixels as in `kept_pixels`.

    Raises:
        ConfigError: neither maps nor parameters were kept, one of the fits is not there, or a
            file that the experiment was made from is gone or has changed.
    """
    one = experiment.stored.sel(realisation=list(realisations))
    stored = _stored(one)
    return stored[0] if stored is not None else _again(experiment, one)


def residual_of(experiment: ExperimentView, realisations: Sequence[int]) -> np.ndarray:
    """Recovered minus true CMB, as `recovered_cmb`.

    Raises:
        ConfigError: as `recovered_cmb`; the true CMB is needed in any case, and may not be known.
    """
    from sweep.assemble.data import true_cmb  # imports jax

    check_data(experiment, realisations)
    truth = true_cmb(experiment.configuration, tuple(map(int, realisations)))
    if truth is None:
        raise experiment.missing("the true CMB is not known (sky.truth), and with it no residual")
    return recovered_cmb(experiment, realisations) - truth


def check_data(experiment: ExperimentView, realisations: Sequence[int]) -> None:
    """See that maps from files hold what they held when they were fitted.

    Raises:
        ConfigError: one does not: its path, band and realisation.
    """
    from sweep.sky.maps import MapsSky  # imports healpy

    digests = experiment.stored.get("data_digest")
    if digests is None:
        return
    from sweep.assemble.data import build_sky

    sky = build_sky(experiment.configuration)
    if isinstance(sky, MapsSky):
        for number in realisations:
            sky.check_unchanged(int(number), digests.sel(realisation=number).values.tolist())


def _stored(one: xr.Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Maps that were kept of every fit asked for, and their pixels; None where one is missing."""
    if "cmb" not in one or not one.sizes["realisation"]:
        return None
    cmb = one["cmb"].values
    finite = np.isfinite(cmb)
    there = finite.any(axis=(0, 1))  # other experiments of the store may have another mask
    if not there.any() or not finite[..., there].all():
        return None
    return cmb[..., there].astype(np.float64), one["healpix_index"].values[there]


def _again(experiment: ExperimentView, one: xr.Dataset) -> np.ndarray:
    recorded = np.all(one["status"].values != Status.PENDING)
    names = [p.name for p in experiment.parameters]
    kept = all(p in one and np.isfinite(one[p].values[:, 0]).all() for p in names)
    if recorded and not kept:
        raise experiment.missing(
            "neither maps nor parameters were kept; run it into another store with "
            "store.parameters=true or store.maps=float32"
        )
    from sweep.assemble.setup import build  # imports jax

    setup = build(experiment.configuration)
    numbers = [int(n) for n in one["realisation"].values]
    if not recorded:
        raise experiment.missing(f"a fit of realisations {numbers} is not recorded")
    check_data(experiment, numbers)
    values = {p: one[p].values[:, : setup.counts[p]] for p in names}

    # as long as in the fit, so that experiments of a store share a compiled program
    axes = setup.bounds.whole(setup.bounds.start)
    padding = {p: axes[p].shape[0] - setup.counts[p] for p in names}
    padded = {p: np.pad(v, ((0, 0), (0, padding[p])), mode="edge") for p, v in values.items()}
    solve = _solver()

    def cmb(i: int) -> np.ndarray:
        params = {p: v[i] for p, v in padded.items()}
        return np.asarray(solve(params, setup.problem, setup.maps((numbers[i],))[0]))

    return np.stack([cmb(i) for i in range(len(numbers))]).astype(np.float64)


@cache
def _solver() -> Any:
    import jax

    from sweep.problem import components

    return jax.jit(lambda *given: components(*given)[0])
