"""One row of the matrix: a setup is fitted, and what came of it."""

from typing import Any

import jax
import numpy as np

from benchmarks.restarts import fitted, minima, restarted
from benchmarks.standard import PARAMETERS
from sweep.assemble.setup import Setup
from sweep.cache import Cache
from sweep.ends import BlockResult, joined
from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS
from sweep.fit import SAME
from sweep.spectra import residual_arrays
from sweep.statistics.residuals import Residuals
from sweep.statistics.tensor_ratio import bootstrap, spread, templates, tensor_ratio
from sweep.store import NOISELESS
from sweep.types import Status

BLOCK = 7
"""Realisations together: 20 and the fit without noise are three such blocks, of one program."""

END = 1e-4
"""A cluster is at an end of its box within this share of its width."""


def measured(setup: Setup, draws: int, restarts: int, cache: Cache) -> dict[str, Any]:
    """Fit realisations 0 to `draws` - 1 and one without noise; JSON.

    Args:
        setup: what is fitted.
        draws: realisations, at least 1.
        restarts: of the first so many realisations, each from a start drawn for it.
        cache: of CAMB's spectra.

    Returns:
        `residual_variance` (uK_CMB^2) and `converged`, lists with an entry a realisation; means of
        the others; r by both estimators; of each parameter mean, quantiles and share at an end of
        its box, over pixels and realisations; of restarts their number, how many ended lower, and
        the lowest and highest difference in nll.
    """
    numbers = (NOISELESS, *range(draws))
    blocks = [numbers[k : k + BLOCK] for k in range(0, len(numbers), BLOCK)]
    fits = joined([fitted(setup, block) for block in blocks])
    truth = setup.sky.true_cmb(0)
    assert truth is not None
    seen = residual_arrays(fits.cmb - truth[:, setup.mask.pixels], setup.mask, spectra=True)
    noisy = jax.tree.map(lambda leaf: leaf[1:], fits)
    row = {
        "draws": draws,
        "residual_variance": seen["residual_variance"][1:].tolist(),
        "converged": (noisy.status == Status.CONVERGED).tolist(),
        "certified": int(np.sum(noisy.scan_certified == 1)),
        "suspect": int(np.sum(noisy.suspect > 0)),
        "at bound": float(noisy.at_bound.mean()),
        "evaluations": float(noisy.evaluations.mean()),
        "seconds": float(noisy.seconds.mean()),
    }
    usable = np.isin(fits.status, [s for s in Status if s.usable])
    row |= _ratios(setup, seen["blm_residual"], usable, cache)
    for p in PARAMETERS:
        row[p] = _spread_of(setup, noisy, p)
    if restarts:
        tried = tuple(range(min(restarts, draws)))
        gap = minima(restarted(setup, tried)) - minima(noisy)[: len(tried)]
        row["restarts"] = {
            "tried": len(tried),
            "lower": int(np.sum(gap < -SAME)),
            "higher": int(np.sum(gap > SAME)),
            "lowest": float(gap.min()),
            "highest": float(gap.max()),
        }
    return row


def _ratios(setup: Setup, alms: np.ndarray, usable: np.ndarray, cache: Cache) -> dict[str, Any]:
    """Estimates of r by the fit without noise and by what realisations share, with errors."""
    both = Residuals(
        label="",
        sky_fraction=setup.mask.sky_fraction,
        realisations=np.flatnonzero(usable[1:]),
        alms=alms[1:][usable[1:]],
        noiseless=alms[0] if usable[0] else None,
    )
    spectra = templates(setup.mask.nside, cache)
    found = {}
    for name in ESTIMATORS:
        try:
            ratio = tensor_ratio(both, spectra, name)
            drawn = bootstrap(both, spectra, name)
        except ConfigError as error:  # too few realisations, or no power left to the noise
            found[name] = {"unknown": str(error)}
            continue
        found[name] = {
            "r": ratio.r,
            "error": spread(drawn["r"]),
            "upper_68": ratio.upper_68,
            "upper_95": ratio.upper_95,
        }
    return {"r": found}


def _spread_of(setup: Setup, fits: BlockResult, p: str) -> dict[str, float]:
    values = fits.params[p][:, np.asarray(setup.clusters.labels[p])]
    low, high = (float(end[p][0]) for end in (setup.bounds.low, setup.bounds.high))
    margin = END * (high - low)
    five, median, ninety_five = np.nanquantile(values, [0.05, 0.5, 0.95])
    return {
        "mean": float(np.nanmean(values)),
        "5 %": float(five),
        "median": float(median),
        "95 %": float(ninety_five),
        "at low end": float(np.mean(values <= low + margin)),
        "at high end": float(np.mean(values >= high - margin)),
    }
