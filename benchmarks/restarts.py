"""Fits again from starts drawn in the box: do they end lower?"""

from dataclasses import replace

import numpy as np
from scipy.stats import beta

from sweep.config.build import Setup
from sweep.fit import BlockResult, fit_block, joined
from sweep.solvers.starts import drawn_starts

LOWER = 1e-3
"""A restart is lower if its nll, priors included, is lower by more than this."""

SEED = 0


def fitted(setup: Setup, realisations: tuple[int, ...]) -> BlockResult:
    """Fits of a block of realisations from the usual start."""
    maps = setup.maps(realisations)
    return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)


def restarted(setup: Setup, realisations: tuple[int, ...], seed: int = SEED) -> BlockResult:
    """Fits of realisations, each from a start of its own, drawn in the whole box."""

    def one(realisation: int) -> BlockResult:
        drawn = drawn_starts(setup.bounds, seed, (realisation,), 1)
        start = {p: values[0] for p, values in drawn.items()}
        return fitted(replace(setup, bounds=setup.bounds._replace(start=start)), (realisation,))

    return joined([one(realisation) for realisation in realisations])


def minima(result: BlockResult) -> np.ndarray:
    """What was minimised, in units of nll: with the value of the priors where there are any."""
    return result.nll + result.penalty


def upper_limit(lower: int, of: int, level: float = 0.95) -> float:
    """The share of restarts that end lower is below this at `level` (Clopper & Pearson 1934)."""
    return 1.0 if lower >= of else float(beta.ppf(level, lower + 1, of - lower))
