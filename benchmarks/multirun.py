"""A multirun of newton and L-BFGS on the real sky: whose minimum is lower, fit by fit."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import sweep
from benchmarks.real import MASKS, SKY, check_data
from benchmarks.record import keep
from benchmarks.standard import PARAMETERS
from sweep.types import Status

COUNTS = {"beta_dust": "10,100,1000,10000", "temp_dust": "10,500", "beta_pl": "10,100"}
NEWTON, OTHER = "newton", "optax_lbfgs"
REALISATIONS = 2
STEPS = 500
"""Cap on the steps of both, for L-BFGS' sake: without one it takes minutes a fit."""


def main(counts: dict[str, str] = COUNTS, steps: int = STEPS) -> None:
    """GAL020 at nside 64: 16 counts by 2 solvers by 2 realisations, by the command."""
    check_data()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "multirun.zarr"
        command = [
            *("-m", "sky=templates", f"sky.path='{SKY}'", f"mask.path='{MASKS}'"),
            *("mask.expression=GAL020", f"solver={NEWTON},{OTHER}", f"solver.max_steps={steps}"),
            *(f"clusters.{p}={values}" for p, values in counts.items()),
            *(f"noise.realisations={REALISATIONS}", f"store.path='{store}'"),
        ]
        subprocess.run([sys.executable, "-m", "sweep.cli.run", *command], check=True)
        rows = pairs(sweep.open(store).load())
    for row in rows:
        print(json.dumps(row))
    print(f"largest {NEWTON} - {OTHER}: {max(row['newton - other'] for row in rows):.3g}")
    keep("multirun", rows)


def pairs(ds: xr.Dataset) -> list[dict[str, Any]]:
    """A row for every fit that both solvers made."""
    rows = []
    for counts, group in ds.groupby([f"clusters.{p}" for p in PARAMETERS]):
        ours, theirs = (
            group.isel(experiment=np.flatnonzero(group["solver"].values == name)[0])
            for name in (NEWTON, OTHER)
        )
        for realisation in ds["realisation"].values:
            both = [one.sel(realisation=realisation) for one in (ours, theirs)]
            nll, seconds = ([float(one[k]) for one in both] for k in ("nll", "seconds"))
            status = [Status(int(one["status"])).name.lower() for one in both]
            rows.append(
                {
                    **dict(zip(PARAMETERS, map(int, counts), strict=True)),
                    "realisation": int(realisation),
                    "newton - other": nll[0] - nll[1],
                    "newton": status[0],
                    "other": status[1],
                    "newton s": seconds[0],
                    "other s": seconds[1],
                    "certified": int(both[0]["scan_certified"]),
                }
            )
    return rows


if __name__ == "__main__":
    main()
