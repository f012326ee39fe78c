"""A small sky whose true parameters are constant within clusters: what solvers must recover."""

import healpy as hp
import jax.numpy as jnp
import numpy as np

from sweep.model import MODELS, Pivot
from sweep.problem import SpectralProblem
from sweep.problem.sed import mixing
from sweep.solvers import Bounds

STANDARD = MODELS["standard"](Pivot(dust_nu0=150.0, synchrotron_nu0=20.0, start={}))
PARAMETERS = STANDARD.names

NSIDE = 4
FREQUENCY = np.array([40.0, 60.0, 78.0, 100.0, 140.0, 195.0, 280.0, 402.0])
BOX = {"beta_dust": (1.54, 0.5, 5.0), "temp_dust": (20.0, 6.0, 40.0), "beta_pl": (-3.0, -7.0, -0.5)}
COUNTS = {"beta_dust": 6, "temp_dust": 3, "beta_pl": 2}
TRUTH = {
    "beta_dust": jnp.array([1.45, 1.50, 1.53, 1.58, 1.62, 1.66]),
    "temp_dust": jnp.array([17.5, 20.0, 23.0]),
    "beta_pl": jnp.array([-3.1, -2.9]),
}


def bounds():
    """Start and box of every cluster."""
    parts = zip(*BOX.values(), strict=True)
    start, low, high = (
        {p: jnp.full(COUNTS[p], v) for p, v in zip(BOX, part, strict=True)} for part in parts
    )
    return Bounds(start, low, high)


def problem_and_signal(form="auto"):
    """The problem and its noiseless maps, uK_CMB, shape (frequency, stokes, pixel); their CMB."""
    rng = np.random.default_rng(0)
    n_pixels = hp.nside2npix(NSIDE)
    labels = {p: jnp.arange(n_pixels) * n // n_pixels for p, n in COUNTS.items()}
    problem = SpectralProblem.create(
        frequency=jnp.asarray(FREQUENCY),
        inverse_sigma=jnp.asarray(1 / np.array([0.7, 0.4, 0.25, 0.15, 0.1, 0.12, 0.3, 0.9])),
        labels={p: v.astype(jnp.int32) for p, v in labels.items()},
        model=STANDARD,
        form=form,
    )
    cmb, dust, synchrotron = (
        rng.normal(0, 1.0, (2, n_pixels)),
        rng.normal(0, 3.0, (2, n_pixels)) + 3.0,
        rng.normal(0, 150.0, (2, n_pixels)) + 150.0,
    )
    dust_column, synchrotron_column = mixing(TRUTH, problem)
    signal = cmb + dust_column[:, None] * dust + synchrotron_column[:, None] * synchrotron
    return problem, jnp.asarray(signal), jnp.asarray(cmb)
