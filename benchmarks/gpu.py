"""Fits per second on an accelerator by block size, and the share of time in each phase."""

import json
import time
from typing import Any

import jax

from benchmarks.record import keep
from benchmarks.throughput import PROBLEMS, bandwidth, fit, pass_bytes, phases, problem

BLOCKS = (1, 4, 16, 64, 256, 512)


def main() -> None:
    """Run where jax finds an accelerator; says so and does nothing elsewhere."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        print("skipped: jax finds no accelerator")
        return
    keep("gpu", [measure(name, block) for name in PROBLEMS for block in BLOCKS])


def measure(name: str, block: int) -> dict[str, Any]:
    """A block of one problem."""
    setup = problem(*PROBLEMS[name])
    fit(setup, range(block))
    start = time.perf_counter()
    result = fit(setup, range(block))
    total = time.perf_counter() - start
    parts = phases(setup, block)
    ticks, steps = result.evaluations.max(), result.iterations.max()
    times = {"evaluate": ticks, "sums": ticks, "step": steps, "scan": 1 + result.jumps.max()}
    bound = bandwidth(2**28) / (pass_bytes(setup) * float(result.evaluations.mean()))
    row = {
        "device": jax.devices()[0].device_kind,
        "problem": name,
        "block": block,
        "fits/s": round(block / total, 2),
        "solver share": round(float(result.seconds.sum()) / total, 2),
        "evaluations": round(float(result.evaluations.mean()), 1),
        "bound fits/s": round(bound, 1),
        "of the bound": round(block / total / bound, 4),
        "certified": int((result.scan_certified == 1).sum()),
        **{f"{k} ms": round(v, 3) for k, v in parts.items()},
        # at most: every lane of a block as often as the one that takes longest
        **{f"{k} share": round(v * times.get(k, 1) / 1e3 / total, 2) for k, v in parts.items()},
    }
    print(json.dumps(row), flush=True)
    return row


if __name__ == "__main__":
    main()
