"""Where a result comes from: versions, commit, machine, command."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "skysweep",
    "jax",
    "jaxlib",
    "furax",
    "jax-healpy",
    "jax-cadre",
    "optimistix",
    "healpy",
    "camb",
    "numpy",
    "scipy",
    "zarr",
    "hydra-core",
)


def provenance(overrides: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """What is recorded with a launch; JSON.

    Args:
        overrides: of every point; each is kept once, the points are the store's configurations.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "overrides": list(dict.fromkeys(text for point in overrides for text in point)),
        "versions": {"python": platform.python_version(), **versions()},
        "commit": commit(),
        "machine": platform.platform(),
        "processor": platform.processor() or platform.machine(),
    }


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


@lru_cache(maxsize=1)
def commit() -> str | None:
    """Git commit of the checkout that runs, `+changes` where it differs; None when installed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
