"""Are the errors right? Pulls of fits whose truth is drawn anew, with priors and without.

The penalty of a prior is ((x - mean) / width)^2, in units of nll = -2 ln L. So the covariance of
the parameters is 2 H^-1, with H the Hessian of nll and penalty at the solution. Where the truth is
drawn from the prior, the truth scatters about the solution by just that.

The maximum of a likelihood that is no parabola lies off the truth on average, by a share of the
error that falls as the error does. So all is measured at two strengths of the foregrounds, errors
and widths in proportion: at both, scatter and chi-square must be right; at the strong one, where
the likelihood is a parabola, the means as well.
"""

import sys
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sweep
from benchmarks.record import keep
from benchmarks.standard import PARAMETERS
from sweep.assemble.setup import Setup, build
from sweep.fit import fit_block
from sweep.problem import NLL_TO_COVARIANCE, expand, observe
from sweep.problem.sed import mixing
from sweep.types import Params, Status

FITS = 500
"""Of a seed."""

SEEDS = range(4)

STRENGTHS = (1, 10)
"""Of the foregrounds, in units of `AMPLITUDE`."""

SKY = (
    "sky.nside=8",
    "mask.expression=GAL040",
    "clusters.beta_dust=6",
    "clusters.temp_dust=3",
    "clusters.beta_pl=2",
    "solver=newton",
)
"""307 pixels, 11 clusters, LiteBIRD."""

AMPLITUDE = {"cmb": 1.0, "dust": 0.3, "synchrotron": 3.0}
"""Mean and standard deviation of Q and U in uK_CMB: the errors are about as wide as `WIDTH`."""

WIDTH = {"beta_dust": 0.02, "temp_dust": 0.5, "beta_pl": 0.02}
"""Standard deviation of the truth about the start value, and of the prior, at strength 1."""

LIMIT = 4.0
"""In standard errors; one of 100 normal deviates is farther off in one of 160 runs."""

Draw = dict[str, tuple[float, float]]
"""Mean and standard deviation that the true value of every cluster is drawn with."""


def main() -> None:
    """Pulls of the likelihood alone and with priors, at both strengths."""
    rows = [
        row
        for strength in STRENGTHS
        for name in ("likelihood", "priors")
        for row in of_setup(name, strength)
    ]
    keep("pulls", rows)
    wrong = [
        f"{row['errors of']} at {row['strength']}, {row['parameter']}"
        for row in rows
        if row["farthest"] > LIMIT
    ]
    if wrong:
        sys.exit(f"pulls farther off than {LIMIT} standard errors: {'; '.join(wrong)}")


def of_setup(name: str, strength: int) -> list[dict[str, Any]]:
    """A row a parameter, and one for all together."""
    start = sweep.compose(list(SKY)).parameters
    draw = {p: (float(getattr(start, p).start), width / strength) for p, width in WIDTH.items()}
    widths = {p: draw[p][1] if name == "priors" else "null" for p in PARAMETERS}
    setup = build(
        sweep.compose([*SKY, *(f"parameters.{p}.prior.width={w}" for p, w in widths.items())])
    )
    prior = draw if name == "priors" else {}
    drawn = [measure(setup, draw, prior, FITS, seed, strength) for seed in SEEDS]
    miss, covariance = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    ends = np.cumsum([0, *setup.counts.values()])
    parts = {p: slice(*ends[i : i + 2]) for i, p in enumerate(PARAMETERS)}
    parts["all"] = slice(None)
    told = {"errors of": name, "strength": strength}
    return [
        {**told, "parameter": p, **_row(miss[:, at], covariance[:, at, at], strength > 1)}
        for p, at in parts.items()
    ]


def measure(
    setup: Setup, draw: Draw, prior: Draw, fits: int, seed: int, strength: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit, and compare with the truth.

    Args:
        setup: the likelihood, with the priors that it is to be fitted with.
        draw: of the truth.
        prior: those priors; empty where there are none.
        fits: number of them.
        seed: of truth, sky and noise.
        strength: of the foregrounds.

    Returns:
        Solution minus truth, shape (fit, cluster), and the covariance that the Hessian tells, shape
        (fit, cluster, cluster), in the order of `PARAMETERS`.
    """
    rng = np.random.default_rng(seed)
    truth = {p: rng.normal(*draw[p], (fits, n)) for p, n in setup.counts.items()}
    _check_inside(setup, truth)
    numbers = range(fits * seed, fits * (seed + 1))
    maps = _observed(setup, truth, rng, numbers, strength)
    result = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    lost = int(np.sum(result.status != Status.CONVERGED))
    if lost:
        raise RuntimeError(f"{lost} of {fits} fits did not converge: pulls need all of them")
    found = {p: result.params[p] for p in PARAMETERS}
    miss = np.concatenate([found[p] - truth[p] for p in PARAMETERS], axis=1)
    return miss, np.asarray(_covariances(setup, found, prior, maps))


def _check_inside(setup: Setup, truth: dict[str, np.ndarray]) -> None:
    for p, values in truth.items():
        low, high = float(setup.bounds.low[p][0]), float(setup.bounds.high[p][0])
        if not (low < values.min() and values.max() < high):
            raise ValueError(
                f"{p}: true values from {values.min():g} to {values.max():g} must be within the "
                f"box ({low:g}, {high:g})"
            )


def _observed(
    setup: Setup,
    truth: dict[str, np.ndarray],
    rng: np.random.Generator,
    numbers: Iterable[int],
    strength: int,
) -> jax.Array:
    """Maps of the same sky, each with spectra and noise of its own, uK_CMB."""
    shape = (2, setup.mask.pixels.size)
    cmb, dust, synchrotron = (
        jnp.asarray(
            rng.normal(0.0, size, shape)
            if name == "cmb"
            else rng.normal(size, size, shape) * strength
        )
        for name, size in AMPLITUDE.items()
    )
    noise = setup.maps(tuple(numbers)) - setup.signal(0)

    def one(given: tuple[Params, jax.Array]) -> jax.Array:
        of_dust, of_synchrotron = mixing(given[0], setup.problem)
        signal = cmb + of_dust[:, None] * dust + of_synchrotron[:, None] * synchrotron
        return signal + given[1]

    return jax.lax.map(one, (jax.tree.map(jnp.asarray, truth), noise))


def _covariances(
    setup: Setup, found: dict[str, np.ndarray], prior: Draw, maps: jax.Array
) -> jax.Array:
    """Of the parameters in the order of `PARAMETERS`, shape (fit, cluster, cluster)."""
    weights = [1.0 / prior[p][1] ** 2 if p in prior else 0.0 for p in PARAMETERS]
    of_prior = 2.0 * np.repeat(weights, list(setup.counts.values()))

    def one(given: tuple[jax.Array, jax.Array]) -> jax.Array:
        seen = observe(setup.problem, given[1])

        def slope(flat: jax.Array) -> jax.Array:
            parts = jnp.split(flat, np.cumsum(list(setup.counts.values()))[:-1])
            params: Params = dict(zip(PARAMETERS, parts, strict=True))
            gradient = expand(params, setup.problem, seen).gradient
            return jnp.concatenate([gradient[p] for p in PARAMETERS])

        hessian = jax.jacfwd(slope)(given[0]) + jnp.diag(of_prior)
        return NLL_TO_COVARIANCE * jnp.linalg.inv(hessian)

    flat = jnp.concatenate([jnp.asarray(found[p]) for p in PARAMETERS], axis=1)
    return jax.lax.map(jax.jit(one), (flat, maps))


def _row(miss: np.ndarray, covariance: np.ndarray, means: bool) -> dict[str, Any]:
    """Pulls of some clusters, shapes (fit, cluster) and (fit, cluster, cluster).

    `farthest` is the farthest of the variances of single clusters, of the mean of chi-square and,
    if `means`, of the means of single clusters from what they should be, in their standard errors.
    """
    fits, clusters = miss.shape
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    pull = miss / error
    chi_square = np.einsum("fi,fij,fj->f", miss, np.linalg.inv(covariance), miss)
    off = [
        np.abs(pull.mean(axis=0)).max() * np.sqrt(fits),
        np.abs(pull.var(axis=0, ddof=1) - 1.0).max() / np.sqrt(2.0 / (fits - 1)),
        np.abs(chi_square.mean() - clusters) / np.sqrt(2.0 * clusters / fits),
    ]
    return {
        "clusters": clusters,
        "fits": fits,
        "error": float(np.median(error)),
        "mean": float(pull.mean()),
        "variance": float(pull.var(ddof=1)),
        "chi-square/n": float(chi_square.mean() / clusters),
        "mean off": float(off[0]),
        "variance off": float(off[1]),
        "chi-square off": float(off[2]),
        "farthest": float(max(off if means else off[1:])),
    }


if __name__ == "__main__":
    main()
