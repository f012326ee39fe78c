"""100 000 experiments from the command line: time and memory until their store is published."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import keep

_GRID = (
    "sky.nside=16",
    "clusters.beta_dust=range(1,101)",
    "clusters.temp_dust=range(1,11)",
    "clusters.beta_pl=range(1,11)",
    "noise.seed=range(0,10)",
    "noise.realisations=100",
)


def main() -> None:
    """Run `sweep -m` until it begins to compute, then kill it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("sweep"), "-m", *_GRID, "store.path=grid.zarr"]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.match(r"(\d+) units to compute, (\d+) fits", line):
                break
        else:
            raise RuntimeError("the sweep ended before it computed anything")
        seconds = time.perf_counter() - start
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.kill()
        process.wait()
        peak = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM:"))
        files = sum(p.is_file() for p in Path(folder).rglob("*"))
    keep(
        "planning",
        [
            {
                "experiments": 100_000,
                "fits": int(found[2]),
                "units": int(found[1]),
                "seconds": round(seconds, 2),
                "peak_MB": peak // 1024,
                "files": files,
            }
        ],
    )
