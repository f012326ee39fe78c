"""`sweep ... hydra/launcher=slurm` as a user runs it, of eight units."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def begun(folder: Path, *words: str, **changes: str) -> Iterator[subprocess.Popen]:
    """The command under way; what it says is in the file `said`. At the end it is killed.

    Args:
        folder: to run in.
        words: of the command; `GIVEN` and `QUICK` by default.
        changes: of the environment.
    """
    with open(folder / "said", "w") as said:
        launch = subprocess.Popen(
            [BIN / "sweep", "-m", *SMALL, *(words or (*GIVEN, *QUICK))],
            cwd=folder,
            env=os.environ | changes,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield launch
    finally:
        with suppress(ProcessLookupError):
            os.killpg(launch.pid, signal.SIGKILL)
        launch.wait()


def killed(folder: Path, when: Callable[[], bool], *words: str, **changes: str) -> None:
    """Start the command, and kill -9 it and all it started."""
    with begun(folder, *words, **changes) as launch:
        until(when)
        assert launch.poll() is None, (folder / "said").read_text()


def wrapper(folder: Path, body: str) -> str:
    """A PATH on which an sbatch of ours stands before the other, `"$real"` in its body.

    What only tests goes to the other.
    """
    real = shutil.which("sbatch")
    ours = folder / "bin" / "sbatch"
    ours.parent.mkdir()
    tests = f'case "$1" in --test-only) exec {real} "$@";; esac'
    ours.write_text(f"#!/bin/sh\nreal={real}\n{tests}\n{body}")
    ours.chmod(0o755)
    return f"{ours.parent}:{os.environ['PATH']}"
