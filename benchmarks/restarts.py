"""Fits again from starts drawn in the box: do they end lower?

`python -m benchmarks.restarts` runs those cells of results/matrix.json in which some did, and says
by how much, and what the lower minima are as CMB maps: results/restarts.json.
"""

import json
from dataclasses import replace

import numpy as np
from scipy.stats import beta

from benchmarks.cells import Cell, cell_setup
from benchmarks.record import RESULTS, keep
from sweep.assemble.setup import Setup
from sweep.ends import BlockResult, joined
from sweep.fit import SAME, fit_block
from sweep.solvers.starts import drawn_starts
from sweep.spectra import residual_arrays

SEED = 0

DRAWS = 10

SEEDS = (0, 1)
"""Of the restarts of `main`: those of the matrix, and others."""


def main() -> None:
    """By how much restarts end lower where some did, and the residual variance there."""
    rows = json.loads((RESULTS / "matrix.json").read_text())["rows"]
    cells = [
        Cell(row["sky"], row["instrument"], row["counts"])
        for row in rows
        if (row["variant"], row["solver"]) == ("default", "newton") and row["restarts lower"]
    ]
    keep("restarts", [_lower(cell) for cell in cells])


def _lower(cell: Cell) -> dict[str, object]:
    """Restarts of one cell; residual variances are of the lower ones, over the usual fits'."""
    setup = cell_setup(cell, "newton")
    realisations = tuple(range(DRAWS))
    usual = fitted(setup, realisations)
    again = [restarted(setup, realisations, seed) for seed in SEEDS]
    gap = np.concatenate([minima(one) - minima(usual) for one in again])
    before = _residual_variance(setup, usual)
    ratio = np.concatenate([_residual_variance(setup, one) / before for one in again])
    lower = gap < -SAME
    some = bool(lower.any())
    return {
        **cell._asdict(),
        "tried": gap.size,
        "lower": int(lower.sum()),
        "higher": int(np.sum(gap > SAME)),
        "lowest": float(gap.min()),
        "highest": float(gap.max()),
        "least ratio": float(ratio[lower].min()) if some else None,
        "mean ratio": float(ratio[lower].mean()) if some else None,
        "largest ratio": float(ratio[lower].max()) if some else None,
    }


def _residual_variance(setup: Setup, fits: BlockResult) -> np.ndarray:
    truth = setup.sky.true_cmb(0)
    assert truth is not None
    residual = fits.cmb - truth[:, setup.mask.pixels]
    return residual_arrays(residual, setup.mask, spectra=False)["residual_variance"]


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


if __name__ == "__main__":
    main()
