"""Fewer fits for the same error: antithetic noise, and what is known of the noise as a control.

Of the same number of fits, the variance of the mean over realisations relative to that of plain
draws, so that 0.5 is half of the fits for the same error:

- antithetic: every draw of the noise n with -n; a pair is one number;
- linear: with what is linear in the noise taken off, 2 cov(m, w), where m is the recovered CMB (or
  its residual) of the fit without noise and w what its mixing matrix makes of the noise. Its mean
  over draws is 0;
- squared: with var(w) taken off as well, of which the mean over draws is known without fits.

    python -m benchmarks.fewer
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

import sweep
from benchmarks.core import move_to
from benchmarks.real import MASKS, SKY, check_data
from benchmarks.record import keep
from sweep.assemble.data import true_cmb
from sweep.assemble.setup import Setup, build
from sweep.fit import fit_block
from sweep.problem import components
from sweep.spectra import harmonics
from sweep.statistics.rankings import templates_of
from sweep.statistics.residuals import Residuals
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.store import NOISELESS

PAIRS = 100
TOGETHER, DRAWS = 20, 200
"""Fits of which r is one number, and times that such are drawn."""

REAL = ("sky=templates", f"sky.path='{SKY}'", f"mask.path='{MASKS}'")
CONFIGURATIONS = {
    "kmeans 500/10/50, d1s1": (
        *REAL,
        "clusters=kmeans",
        "mask.expression=GAL040-GAL020",
        "clusters.beta_dust=500",
        "clusters.temp_dust=10",
        "clusters.beta_pl=50",
    ),
    "multires 64/4/2, d1s1": (
        *REAL,
        "clusters=multires",
        "mask.expression=GAL040-GAL020",
        "clusters.beta_dust=64",
        "clusters.temp_dust=4",
        "clusters.beta_pl=2",
    ),
    "kmeans 100/5/5, embedded": (
        "sky.nside=64",
        "mask.expression=GAL060",
        "clusters.beta_dust=100",
        "clusters.temp_dust=5",
        "clusters.beta_pl=5",
    ),
}


def main() -> None:
    """A row for each configuration and number, and for differences of two behind one mask."""
    check_data()
    rows, values = [], []
    for name, words in CONFIGURATIONS.items():
        found, numbers = measured(name, words)
        rows += found
        values.append(numbers)
    for of in values[0]:
        first, second = (each[of] for each in values[:2])
        row = {
            "configuration": "kmeans - multires, d1s1",
            "of": of,
            **antithetic_ratio(first - second),
        }
        rows.append(row | {"linear": np.nan, "squared": np.nan})
    keep("fewer", rows, fits=2 * PAIRS)


def measured(
    name: str, words: tuple[str, ...]
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Fits of draws and of the same with the other sign: rows, and the numbers of every fit."""
    conf = sweep.compose([*words, "solver=newton"])
    setup = antithetic(build(conf))
    truth = true_cmb(conf, (0,))
    assert truth is not None
    free = fit(setup, [NOISELESS])
    recovered, made = fits(setup, free)
    residual = recovered - truth[0]
    rows = [
        {"configuration": name, "of": of, **ratios(seen, centre, made)}
        for of, seen, centre in (
            ("cmb_variance", recovered, free[0]),
            ("residual_variance", residual, free[0] - truth[0]),
        )
    ]
    rows.append({"configuration": name, "of": "r", **ratio_of_r(setup, residual)})
    for row in rows:
        print(row, flush=True)
    numbers = {"cmb_variance": summed(recovered, recovered)}
    return rows, numbers | {"residual_variance": summed(residual, residual)}


def antithetic(setup: Setup) -> Setup:
    """Realisation 2k + 1 has the noise of 2k with the other sign."""
    draw = setup.noise
    assert draw is not None
    return replace(setup, noise=lambda i: (1 - 2 * (i % 2)) * draw(i // 2))


def fit(setup: Setup, numbers: list[int]) -> tuple[np.ndarray, Any]:
    """Recovered CMB of some realisations, and their parameters."""
    maps = setup.maps(tuple(numbers))
    found = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    return np.asarray(found.cmb, np.float64)[0 if len(numbers) == 1 else slice(None)], found.params


def fits(setup: Setup, free: tuple[np.ndarray, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Recovered CMB of all realisations, and what the noise-free mixing matrix makes of noise."""
    params = {p: np.asarray(v)[0] for p, v in free[1].items()}
    lengths = {p: len(v) for p, v in setup.bounds.whole(setup.bounds.start).items()}
    padded = {
        p: np.pad(v[: setup.counts[p]], (0, lengths[p] - setup.counts[p]), mode="edge")
        for p, v in params.items()
    }
    solve: Callable[..., Any] = jax.jit(lambda maps: components(padded, setup.problem, maps)[0])
    recovered, linear = [], []
    for first in range(0, 2 * PAIRS, 20):
        numbers = list(range(first, first + 20))
        recovered.append(fit(setup, numbers)[0])
        linear += [np.asarray(solve(maps)) - free[0] for maps in setup.maps(tuple(numbers))]
    return np.concatenate(recovered), np.stack(linear)


def summed(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cov Q + cov U over pixels."""
    deviations = maps - maps.mean(axis=-1, keepdims=True)
    return (deviations * others).mean(axis=-1).sum(axis=-1)


def antithetic_ratio(value: np.ndarray) -> dict[str, float]:
    """Variance of the mean of pairs relative to that of as many plain draws."""
    pairs = (value[::2] + value[1::2]) / 2
    return {"antithetic": float(2 * pairs.var(ddof=1) / value[::2].var(ddof=1))}


def ratios(seen: np.ndarray, centre: np.ndarray, linear: np.ndarray) -> dict[str, float]:
    """Variances of a mean relative to that of plain draws, the first of each pair."""
    value = summed(seen, seen)
    whole = value[::2].var(ddof=1)
    first = (value - 2 * summed(linear, centre))[::2]
    second = first - summed(linear, linear)[::2]
    return {
        **antithetic_ratio(value),
        "linear": float(first.var(ddof=1) / whole),
        "squared": float(second.var(ddof=1) / whole),
    }


def ratio_of_r(setup: Setup, residual: np.ndarray) -> dict[str, float]:
    """Variance of r of so many fits: of pairs relative to that of draws, by the cross estimate."""
    mask = setup.mask
    alms = harmonics(residual * mask.weights, mask.nside, mask.pixels)[:, 1]
    plus, minus, numbers = alms[::2], alms[1::2], np.arange(PAIRS)
    draws = Residuals("", mask.sky_fraction, numbers, plus, None)
    pairs = replace(draws, alms=(plus + minus) / 2, odd=(plus - minus) / 2)
    spectra, rng = templates_of(draws), np.random.default_rng(0)

    def variance(of: Residuals, count: int) -> float:
        some = (rng.choice(PAIRS, count, replace=False) for _ in range(DRAWS))
        return float(np.var([tensor_ratio(of.select(s), spectra, "cross").r for s in some], ddof=1))

    ratio = variance(pairs, TOGETHER // 2) / variance(draws, TOGETHER)
    return {"antithetic": ratio, "linear": np.nan, "squared": np.nan}


if __name__ == "__main__":
    move_to(None)
    main()
