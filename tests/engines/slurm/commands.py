"""`sweep ... hydra/launcher=slurm` as a user runs it, of eight units."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sweep.testing.small import SMALL
from tests.waiting import until

BIN = Path(sys.executable).parent
GIVEN = ("noise.ratio=1,2", "noise.realisations=4", "store.path=a.zarr", "hydra/launcher=slurm")
QUICK = ("hydra.launcher.poll_s=0.5", "hydra.launcher.array_parallelism=2")


def sweep(folder: Path, *overrides: str, **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BIN / "sweep", "-m", *SMALL, *overrides],
        cwd=folder,
        env=os.environ | changes,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def killed(folder: Path, when: Callable[[], bool], **changes: str) -> None:
    """Start the command, and kill -9 it and all it started."""
    with open(folder / "said", "w") as said:
        launch = subprocess.Popen(
            [BIN / "sweep", "-m", *SMALL, *GIVEN, *QUICK],
            cwd=folder,
            env=os.environ | changes,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        until(when)
        assert launch.poll() is None, (folder / "said").read_text()
    finally:
        os.killpg(launch.pid, signal.SIGKILL)
        launch.wait()


def wrapper(folder: Path, body: str) -> str:
    """A PATH on which an sbatch of ours stands before the other, `"$real"` in its body."""
    real = shutil.which("sbatch")
    ours = folder / "bin" / "sbatch"
    ours.parent.mkdir()
    ours.write_text(f"#!/bin/sh\nreal={real}\n{body}")
    ours.chmod(0o755)
    return f"{ours.parent}:{os.environ['PATH']}"
