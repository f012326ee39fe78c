"""Fits per second and core, and what a fit spends its time on."""

import os
import time
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.real import real_sky
from benchmarks.record import keep, peak_megabytes
from sweep.assemble.setup import Setup, build
from sweep.ends import BlockResult
from sweep.fit import fit_block
from sweep.lanes import over_realisations
from sweep.problem import components, observe_block
from sweep.problem.derivatives import derivatives
from sweep.solvers.base import repeated
from sweep.solvers.newton.box import internal_box, internal_starts
from sweep.solvers.newton.scan import scan
from sweep.solvers.newton.step import newton_step
from sweep.solvers.newton.system import assemble

PROBLEMS = {
    "seed": ("GAL060", 1500, 500, 500),
    "10000/500/500": ("GAL020", 10000, 500, 500),
}
REALISATIONS = 32
BLOCK = 16


def problem(mask: str, *counts: int, parameters: str = "standard") -> Setup:
    """The real sky at nside 64 behind a mask, with k-means clusters."""
    names = ("beta_dust", "temp_dust", "beta_pl")
    return build(
        real_sky(
            f"mask.expression={mask}",
            f"parameters={parameters}",
            "clusters.clip=true",
            *(f"clusters.{p}={n}" for p, n in zip(names, counts, strict=True)),
        )
    )


def main() -> None:
    """All of a unit on one core: noise, reduction to cells, fit, CMB map and its statistics."""
    one_core()
    rows = []
    for name, choice in PROBLEMS.items():
        setup = problem(*choice)
        fit(setup, range(BLOCK))  # compiles
        start = time.perf_counter()
        results = [
            fit(setup, range(first, first + BLOCK)) for first in range(0, REALISATIONS, BLOCK)
        ]
        total = (time.perf_counter() - start) / REALISATIONS
        solver = float(np.mean([r.seconds.mean() for r in results]))
        evaluations = np.concatenate([r.evaluations for r in results])
        ticks = float(evaluations.mean())
        rows.append(
            {
                "problem": name,
                "form": setup.problem.cells.form,
                "rows": setup.problem.cells.flat_index.shape[1],
                "seconds a fit": round(total, 4),
                "fits/s": round(1 / total, 2),
                "solver share": round(solver / total, 2),
                "evaluations": round(ticks, 1),
                **{f"{k} ms": round(v, 2) for k, v in phases(setup, 1).items()},
                "pass MB": round(pass_bytes(setup) / 1e6, 1),
                "GB/s": round(bandwidth(2**25) / 1e9, 1),
                "bound fits/s": round(bandwidth(2**25) / (pass_bytes(setup) * ticks), 1),
                # of the ticks of lanes side by side, those that work: all at once, or refilled
                "busy in lockstep": round(ticks / float(evaluations.max()), 2),
                "busy if refilled": round(busy(evaluations, REALISATIONS // 4), 2),
                "certified": int(sum((r.scan_certified == 1).sum() for r in results)),
                "peak MB": peak_megabytes(),
            }
        )
    keep("throughput", rows)


def one_core() -> None:
    """Keep this process on one core, as one of the many that a node runs."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def bandwidth(length: int) -> float:
    """Bytes a second that a sum over an array of so many numbers reads."""
    big = jnp.ones(length)
    return big.nbytes / best(jax.jit(jnp.sum), big)


def pass_bytes(setup: Setup) -> int:
    """Bytes of the rows of one realisation, which every evaluation reads."""
    block = observe_block(setup.problem, setup.maps((0,)))
    return sum(leaf.nbytes for leaf in jax.tree.leaves(block.rows))


def busy(evaluations: np.ndarray, width: int) -> float:
    """Share of the ticks of `width` lanes that work, a lane that is done taking the next fit."""
    ends = np.zeros(width)
    for ticks in evaluations:
        ends[np.argmin(ends)] += ticks
    return float(evaluations.sum() / (width * ends.max()))


def fit(setup: Setup, numbers: Iterable[int]) -> BlockResult:
    """A block from its noise on."""
    maps = setup.maps(tuple(numbers))
    return fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)


def phases(setup: Setup, block: int) -> dict[str, float]:
    """Milliseconds of the parts of a fit, each alone, for a block of realisations together."""
    p, maps = setup.problem, setup.maps(tuple(range(block)))
    rows = observe_block(p, maps).rows
    box = internal_box(setup.bounds, p)
    damping = jnp.float64(1e-5)
    params = repeated(setup.bounds.start, block)
    x = internal_starts(setup.bounds, params, p.model, box)

    def block_of(one: Callable) -> Callable:
        return jax.jit(lambda *given: over_realisations(lambda a: one(*a))(given))

    evaluate = block_of(lambda r, x: derivatives(p, r, x))
    sums = block_of(lambda at, x: assemble(at, x, p.cells, box))
    at = evaluate(rows, x)
    system = sums(at, x)
    step = block_of(lambda a, s, x: newton_step(a, s, x, p.cells, box, damping))
    scanned = block_of(lambda r, x, v: scan(p, r, x, v, box, 32, jnp.float64(1e-4)))
    parts = {
        "noise": (lambda: setup.maps(tuple(range(block))),),
        "reduce": (observe_block, p, maps),
        "evaluate": (evaluate, rows, x),
        "sums": (sums, at, x),
        "step": (step, at, system, x),
        "scan": (scanned, rows, x, at.chi_square),
        "cmb": (block_of(lambda q, m: components(q, p, m)), params, maps),
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
