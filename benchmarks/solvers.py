"""One fit by several solvers: same maps, start and box; time without compilation."""

import time

import sweep
from benchmarks.record import keep
from sweep.assemble.setup import build
from sweep.fit import fit_block

SOLVERS = ("newton", "optax_lbfgs", "optimistix_lbfgs", "scipy_tnc", "active_set", "adabk0")


def main() -> None:
    """Embedded sky at nside 32, GAL060, 200/20/20 k-means clusters, noise ratio 1, one draw."""
    rows = []
    for name in SOLVERS:
        conf = sweep.compose(
            [
                "sky.nside=32",
                "clusters.beta_dust=200",
                "clusters.temp_dust=20",
                "clusters.beta_pl=20",
                f"solver={name}",
            ]
        )
        setup = build(conf)
        arguments = (setup.solver, setup.objective, setup.problem, setup.maps((0,)), setup.bounds)
        start = time.perf_counter()
        result = fit_block(*arguments)
        total = time.perf_counter() - start
        rows.append(
            {
                "solver": name,
                "status": int(result.status[0]),
                "seconds": float(result.seconds[0]),
                "compile seconds": total - float(result.seconds[0]),
                "iterations": int(result.iterations[0]),
                "evaluations": int(result.evaluations[0]),
                "gradient norm": float(result.gradient_norm[0]),
                "certified": int(result.scan_certified[0]),
                "nll": f"{result.nll[0]:.4f}",
            }
        )
    keep("solvers", rows)
