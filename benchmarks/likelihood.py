"""One value and gradient: the closed form, as cells and as pixels, against furax; same maps."""

import time

import jax

import sweep
from benchmarks.record import keep
from sweep.assemble.setup import build
from sweep.problem import SpectralProblem, chi_square, observe
from sweep.problem.reference import furax_nll
from sweep.solvers import Objective

REPEATS = 5
OBJECTIVES: dict[str, Objective] = {"cells": chi_square, "pixels": chi_square, "furax": furax_nll}


def main() -> None:
    """Time all on the embedded sky, GAL060, at growing nside; reduced maps are at hand."""
    rows = []
    for nside in (16, 32, 64):
        conf = sweep.compose([f"sky.nside={nside}", "clusters=multires", "clusters.beta_dust=8"])
        setup = build(conf)
        maps = setup.maps((0,))[0]
        given = setup.problem
        milliseconds, counts = {}, {}
        for name, objective in OBJECTIVES.items():
            problem = SpectralProblem.create(
                given.frequency,
                given.inverse_sigma,
                given.labels,
                given.model,
                form="pixels" if name == "furax" else name,
            )
            counts[name] = int(problem.cells.row.max()) + 1
            evaluate = jax.jit(jax.value_and_grad(objective))
            arguments = (setup.bounds.start, problem, jax.jit(observe)(problem, maps))
            jax.block_until_ready(evaluate(*arguments))
            start = time.perf_counter()
            for _ in range(REPEATS):
                jax.block_until_ready(evaluate(*arguments))
            milliseconds[name] = 1e3 * (time.perf_counter() - start) / REPEATS
        rows.append(
            {
                "nside": nside,
                "pixels": counts["pixels"],
                "cells": counts["cells"],
                "chosen": given.cells.form,
                "as cells ms": milliseconds["cells"],
                "as pixels ms": milliseconds["pixels"],
                "furax ms": milliseconds["furax"],
                "ratio": milliseconds["furax"] / milliseconds[given.cells.form],
            }
        )
    keep("likelihood", rows)
