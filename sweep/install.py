"""How what is optional is installed."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def install(extra: str) -> str:
    """The command that installs an extra of pyproject.toml for this Python.

    skysweep is in no index: in a checkout pip is given its folder; elsewhere it takes the skysweep
    that is installed.
    """
    checkout = (_ROOT / "pyproject.toml").is_file()
    what = f"-e '{_ROOT}[{extra}]'" if checkout else f"'skysweep[{extra}]'"
    return f"{sys.executable} -m pip install {what}"
