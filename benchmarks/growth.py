"""Time and memory against pixels, clusters and realisations, with the exponents."""

import json
import subprocess
import sys

import numpy as np

from benchmarks.record import keep, peak_megabytes

NSIDES = (16, 32, 64, 128, 256)
CLUSTERS = (1, 10, 100, 1000, 10000, 29000)
REALISATIONS = (1, 2, 4, 8, 16)


def main() -> None:
    """The embedded sky in GAL060, each point in a process of its own for its peak memory."""
    rows = [
        *(_row("pixels", n, f"sky.nside={n}", _counts(1500, 500, n), 1) for n in NSIDES),
        *(_row("clusters", n, "sky.nside=64", _counts(n, n, 64), 1) for n in CLUSTERS),
        *(_row("realisations", n, "sky.nside=64", _counts(1500, 500, 64), n) for n in REALISATIONS),
    ]
    for name in ("pixels", "clusters", "realisations"):
        points = [row for row in rows if row["against"] == name]
        for what in ("seconds", "peak MB"):
            x = np.log([p["pixels"] if name == "pixels" else p["value"] for p in points])
            exponent = np.polyfit(x, np.log([p[what] for p in points]), 1)[0]
            print(f"{what} ~ {name}^{exponent:.2f}")
    keep("growth", rows)


def _counts(fine: int, coarse: int, nside: int) -> list[str]:
    most = int(0.55 * 12 * nside**2)
    counts = {"beta_dust": min(fine, most), "temp_dust": min(coarse, most)}
    counts["beta_pl"] = counts["temp_dust"]
    return [f"clusters.{p}={n}" for p, n in counts.items()]


def _row(against: str, value: int, nside: str, counts: list[str], realisations: int) -> dict:
    overrides = [nside, "mask.expression=GAL060", *counts]
    program = f"from benchmarks.growth import one; one({overrides!r}, {realisations})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    row = {"against": against, "value": value, **json.loads(done.stdout.splitlines()[-1])}
    print(json.dumps(row), flush=True)
    return row


def one(overrides: list[str], realisations: int) -> None:
    """Fit a block and print its cost."""
    import sweep
    from sweep.assemble.setup import build
    from sweep.fit import fit_block

    setup = build(sweep.compose(overrides))
    maps = setup.maps(tuple(range(realisations)))
    result = fit_block(setup.solver, setup.objective, setup.problem, maps, setup.bounds)
    row = {
        "pixels": setup.problem.n_pixels,
        "form": setup.problem.cells.form,
        "rows": setup.problem.cells.flat_index.shape[1],
        "seconds": float(result.seconds.sum()),
        "evaluations": int(result.evaluations.sum()),
        "statuses": sorted(set(result.status.tolist())),
        "certified": int((result.scan_certified == 1).sum()),
        "peak MB": peak_megabytes(),
    }
    print(json.dumps(row))
