"""What `plan=true` estimates, against what the same command then takes."""

import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from benchmarks.real import MASKS, SKY, check_data
from benchmarks.record import keep
from sweep.store import Store

_GRIDS = {
    "clusters and masks": (
        "mask.expression=GAL020,GAL060",
        "clusters.beta_dust=100,500,2000",
        "clusters.temp_dust=10,200",
        "clusters.beta_pl=20",
        "noise.realisations=24",
    ),
    "many clusters, low noise": (
        "mask.expression=GAL040",
        "clusters.beta_dust=1000,3000,6000",
        "clusters.temp_dust=500",
        "clusters.beta_pl=100,300",
        "noise.ratio=0.5",
        "noise.realisations=16",
    ),
    "two solvers": (
        "mask.expression=GAL020",
        "clusters.beta_dust=50,200",
        "clusters.temp_dust=5",
        "clusters.beta_pl=5,20",
        "solver=newton,optax_lbfgs",
        "noise.realisations=12",
    ),
}


def main() -> None:
    """Plan each grid, then run it, on two processes."""
    check_data()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        env = os.environ | {"SKYSWEEP_CACHE": str(Path(name) / "cache")}
        for i, (grid, words) in enumerate(_GRIDS.items()):
            path = Path(name) / f"{i}.zarr"
            command = [Path(sys.executable).with_name("sweep"), "-m", "sky=templates"]
            command += [f"sky.path={SKY}", f"mask.path={MASKS}", f"store.path={path}", *words]
            command += ["hydra.launcher.processes=2"]
            said = subprocess.run(
                [*command, "plan=true"], env=env, check=True, capture_output=True, text=True
            ).stdout
            estimate = re.search(r"\((\d+) s\)(?: ± (\d+) %)?, from (\d+) experiments", said)
            files = re.search(r"in (\d+) files", said)
            assert estimate is not None, said
            assert files is not None, said
            subprocess.run(command, env=env, check=True, capture_output=True)
            records = [r for each in Store(path).records.values() for r in each]
            ends = [datetime.fromisoformat(r.time).timestamp() for r in records]
            work = sum(r.seconds for r in records)
            started = min(t - r.seconds for t, r in zip(ends, records, strict=True))
            places = (path, path.with_name(f"{path.name}.sweep"))
            rows.append(
                {
                    "grid": grid,
                    "units": len(records),
                    "fits": sum(sum(r.statuses.values()) for r in records),
                    "timed": int(estimate[3]),
                    "estimate_s": int(estimate[1]),
                    "error_%": estimate[2] or "-",
                    "work_s": round(work, 1),
                    "ratio": round(int(estimate[1]) / work, 3),
                    "wall_s": round(max(ends) - started, 1),
                    "planned_files": int(files[1]),
                    "files": sum(p.is_file() for place in places for p in place.rglob("*")),
                }
            )
    keep("plans", rows)
