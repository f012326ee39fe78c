"""The fits of a run of furax-cs as the variables of a store."""

from collections.abc import Sequence

import numpy as np

from sweep.importing.furax_cs import Run
from sweep.quantities.base import FIT
from sweep.quantities.table import VARIABLES
from sweep.spectra import residual_arrays
from sweep.store import NOISELESS
from sweep.types import Status


def fit_arrays(run: Run, realisations: Sequence[int]) -> dict[str, np.ndarray]:
    """Every variable of the store, shape (realisation, ...), as `sweep.worker` gives it.

    A fit is `max_steps`, since furax-cs does not keep whether it converged, or `nonfinite`. What
    furax-cs does not keep is the fill of its variable. The noise-free slot is true CMB and what
    furax-cs recovers
    from the foregrounds alone: data without noise give the two together, a CMB being recovered
    with weight one. Its parameters and nll are not kept.

    Args:
        run: the results.
        realisations: numbers of some of its fits, from 0 in its order, -1 for the noise-free slot.
    """
    cmb = _select(run.cmb, realisations, _noiseless(run))
    nll = _select(run.nll, realisations, np.nan)
    params = {p: _select(values, realisations, np.nan) for p, values in run.params.items()}
    numbered = np.asarray(realisations) != NOISELESS
    finite = np.isfinite(cmb).all(axis=(1, 2))
    finite &= np.isfinite(nll) | ~numbered
    for values in params.values():
        finite &= np.isfinite(values).all(axis=1) | ~numbered
    cmb[~finite] = np.nan

    unknown = {
        name: np.full(len(realisations), variable.fill)
        for name, variable in VARIABLES.items()
        if variable.dims == FIT
    }
    return unknown | {
        "status": np.where(finite, Status.MAX_STEPS, Status.NONFINITE),
        "cmb": cmb,
        "cmb_variance": cmb.var(axis=-1).sum(axis=-1),
        "nll": nll,
        "iterations": _select(run.iterations, realisations, -1),
        **params,
        **residual_arrays(cmb - run.truth, run.mask, spectra=True),
    }


def _noiseless(run: Run) -> np.ndarray | float:
    return np.nan if run.systematic is None else run.truth + run.systematic


def _select(
    values: np.ndarray, realisations: Sequence[int], noiseless: np.ndarray | float
) -> np.ndarray:
    """A copy of the values of some realisations; `noiseless` are those of the noise-free slot."""
    return np.stack(
        [
            np.broadcast_to(noiseless, values.shape[1:]) if r == NOISELESS else values[r]
            for r in realisations
        ]
    )
