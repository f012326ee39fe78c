"""One value and gradient: the closed form against furax, same maps, same parameters."""

import time

import jax

import sweep
from benchmarks.record import keep
from sweep.config.build import build
from sweep.problem import chi_square
from sweep.problem.reference import furax_nll

REPEATS = 5


def main() -> None:
    """Time both on the embedded sky, GAL060, at growing nside."""
    rows = []
    for nside in (16, 32, 64):
        conf = sweep.compose([f"sky.nside={nside}", "clusters=multires", "clusters.beta_dust=8"])
        setup = build(conf)
        maps = setup.maps((0,))[0]
        seconds = {}
        for name, objective in (("closed form", chi_square), ("furax", furax_nll)):
            evaluate = jax.jit(jax.value_and_grad(objective))
            arguments = (setup.bounds.start, setup.problem, maps)
            jax.block_until_ready(evaluate(*arguments))
            start = time.perf_counter()
            for _ in range(REPEATS):
                jax.block_until_ready(evaluate(*arguments))
            seconds[name] = (time.perf_counter() - start) / REPEATS
        rows.append(
            {
                "nside": nside,
                "pixels": setup.problem.n_pixels,
                "closed form ms": 1e3 * seconds["closed form"],
                "furax ms": 1e3 * seconds["furax"],
                "ratio": seconds["furax"] / seconds["closed form"],
            }
        )
    keep("likelihood", rows)
