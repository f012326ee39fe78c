"""Fits per second and core, what a fit spends its time on, and the published grid on paper."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.real import real_sky
from benchmarks.record import keep, peak_megabytes
from sweep.config.build import Setup, build
from sweep.fit import fit_block
from sweep.problem import components, observe_block
from sweep.problem.derivatives import derivatives
from sweep.solvers.newton.scan import scan
from sweep.solvers.newton.solver import internal_box
from sweep.solvers.newton.system import assemble, newton_step

PROBLEMS = {
    "seed": ("GAL060", 1500, 500, 500),
    "10000/500/500": ("GAL020", 10000, 500, 500),
}
REALISATIONS = 32
BLOCK = 16

BETA_DUST = (100, 500, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 10000)
TEMP_DUST = (10, 50, 100, 200, 300, 400, 500)
BETA_PL = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 500)
GRID_MASKS = ("GAL020", "GAL040-GAL020", "GAL060-GAL040", "GAL060")
GRID_REALISATIONS = 100


def main() -> None:
    """Throughput of two problems, then the cost of the published grid from a sample of it."""
    throughput()
    paper_grid()


def problem(mask: str, *counts: int) -> Setup:
    """The real sky at nside 64 behind a mask, with k-means clusters."""
    names = ("beta_dust", "temp_dust", "beta_pl")
    return build(
        real_sky(
            f"mask.expression={mask}",
            "clusters.clip=true",
            *(f"clusters.{p}={n}" for p, n in zip(names, counts, strict=True)),
        )
    )


def throughput() -> None:
    """All of a unit: noise, reduction to cells, fit, CMB map and its statistics."""
    rows = []
    for name, choice in PROBLEMS.items():
        setup = problem(*choice)
        _fit(setup, range(BLOCK))  # compiles
        start = time.process_time()
        results = [
            _fit(setup, range(first, first + BLOCK)) for first in range(0, REALISATIONS, BLOCK)
        ]
        total = (time.process_time() - start) / REALISATIONS
        solver = float(np.mean([r.seconds.mean() for r in results]))
        evaluations = np.concatenate([r.evaluations for r in results])
        ticks = float(evaluations.mean())
        parts = phases(setup)
        big = jnp.ones(2**25)
        bandwidth = big.nbytes / best(jax.jit(jnp.sum), big)
        data = int(sum(leaf.nbytes for leaf in jax.tree.leaves(_rows(setup))))
        rows.append(
            {
                "problem": name,
                "rows": setup.problem.cells.flat_index.shape[1],
                "core seconds a fit": round(total, 4),
                "fits a core second": round(1 / total, 2),
                "solver share": round(solver / total, 2),
                "evaluations": round(ticks, 1),
                **{f"{k} ms": round(v, 2) for k, v in parts.items()},
                "pass MB": round(data / 1e6, 1),
                "GB/s": round(bandwidth / 1e9, 1),
                "bound fits/s": round(bandwidth / (data * ticks), 1),
                # of the ticks of lanes side by side, those that work: all at once, or refilled
                "busy in lockstep": round(ticks / float(evaluations.max()), 2),
                "busy if refilled": round(busy(evaluations, REALISATIONS // 4), 2),
                "certified": int(sum((r.scan_certified == 1).sum() for r in results)),
                "peak MB": peak_megabytes(),
            }
        )
    keep("throughput", rows)


def busy(evaluations: np.ndarray, width: int) -> float:
    """Share of the ticks of `width` lanes that work, a lane that is done taking the next fit."""
    ends = np.zeros(width)
    for ticks in evaluations:
        ends[np.argmin(ends)] += ticks
    return float(evaluations.sum() / (width * ends.max()))


def _fit(setup: Setup, numbers):  # noqa: ANN001, ANN202
    maps = setup.maps(tuple(numbers))
    return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)


def _rows(setup: Setup):  # noqa: ANN202
    block = observe_block(setup.problem, setup.maps((0,)))
    return jax.tree.map(lambda leaf: leaf[0], block.rows)


def phases(setup: Setup) -> dict[str, float]:
    """Milliseconds of the parts of a fit, each alone."""
    p, maps = setup.problem, setup.maps((0,))
    rows = _rows(setup)
    x, box = internal_box(setup.bounds, p.cells.lengths[0])
    index = p.cells.flat_index
    at = jax.jit(derivatives)(p, rows, x)
    system = assemble(at, x, index, box)
    params = setup.bounds.start
    parts = {
        "noise": (lambda: setup.maps((1,)),),
        "reduce": (lambda: observe_block(p, maps),),
        "evaluate": (jax.jit(derivatives), p, rows, x),
        "step": (
            jax.jit(lambda a, s, x: newton_step(a, s, x, index, box, jnp.float64(1e-5))),
            at,
            system,
            x,
        ),
        "scan": (
            jax.jit(lambda r, x, v: scan(p, r, x, v, box, 32, jnp.float64(1e-4))),
            rows,
            x,
            at.chi_square,
        ),
        "cmb": (jax.jit(components), params, p, maps[0]),
    }
    return {name: 1e3 * best(*part) for name, part in parts.items()}


def best(call, *arguments) -> float:  # noqa: ANN001, ANN002
    """Seconds of the fastest of several calls, after one that compiles."""
    jax.block_until_ready(call(*arguments))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def paper_grid() -> None:
    """11 x 7 x 11 counts x 4 masks x 100 realisations, from 9 of its points a mask."""
    rows = []
    for mask in GRID_MASKS:
        costs = []
        for choice in np.random.default_rng(0).permuted(
            np.stack([BETA_DUST[::5], TEMP_DUST[::3], BETA_PL[::5]]), axis=1
        ).T.tolist() + [[10000, 500, 500], [100, 10, 10], [3000, 200, 50], [6000, 100, 100]]:
            setup = problem(mask, *choice)
            _fit(setup, range(2))
            start = time.process_time()
            _fit(setup, range(2, 6))
            costs.append((time.process_time() - start) / 4)
        rows.append(
            {
                "mask": mask,
                "points": len(costs),
                "cheapest s": min(costs),
                "mean s": float(np.mean(costs)),
                "dearest s": max(costs),
                "core hours": float(np.mean(costs))
                * len(BETA_DUST)
                * len(TEMP_DUST)
                * len(BETA_PL)
                * GRID_REALISATIONS
                / 3600,
            }
        )
    total = sum(row["core hours"] for row in rows)
    print(f"the published grid: {total:.0f} core hours (published: about 640 GPU hours)")
    keep("paper_grid", rows)
