"""Fits per second on an accelerator by block size, and the share of time in each phase."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import keep
from benchmarks.throughput import PROBLEMS, best, phases, problem
from sweep.fit import fit_block
from sweep.problem import observe_block

BLOCKS = (1, 4, 16, 64, 256, 512)


def main() -> None:
    """Run where jax finds an accelerator; says so and does nothing elsewhere."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        print("skipped: jax finds no accelerator")
        return
    big = jnp.ones(2**28)
    bandwidth = big.nbytes / best(jax.jit(jnp.sum), big)
    rows = []
    for name, choice in PROBLEMS.items():
        setup = problem(*choice)
        for block in BLOCKS:
            maps = setup.maps(tuple(range(block)))
            arguments = (setup.solver, setup.objective, setup.problem, maps, setup.bounds)
            fit_block(*arguments)
            start = time.perf_counter()
            result = fit_block(*arguments)
            total = time.perf_counter() - start
            seen = observe_block(setup.problem, maps)
            data = sum(leaf.nbytes for leaf in jax.tree.leaves(seen.rows)) / block
            ticks = float(np.mean(result.evaluations))
            rows.append(
                {
                    "device": device.device_kind,
                    "problem": name,
                    "block": block,
                    "fits a second": block / total,
                    "solver share": float(result.seconds.sum()) / total,
                    "evaluations": ticks,
                    "bound fits a second": bandwidth / (data * ticks),
                    "of the bound": (block / total) * data * ticks / bandwidth,
                    "certified": int((result.scan_certified == 1).sum()),
                    **{f"{k} ms": round(v, 3) for k, v in phases(setup).items()},
                }
            )
    keep("gpu", rows)


if __name__ == "__main__":
    main()
