"""Paths of the user's: absolute, without links, and never an address of the web or a bucket."""

import os
import re
from pathlib import Path

_ADDRESS = re.compile(r"[\w.+@:-]+:/")


def is_address(path: str | Path) -> bool:
    """Whether `path` names a place on another machine: `s3://bucket/a`, `me@host:/data/a`."""
    return _ADDRESS.match(str(path)) is not None


def located(path: str | Path) -> Path:
    """The file or folder that `path` names, absolute, with `~` and symbolic links followed."""
    # Path.resolve raises at a loop of links
    return Path(os.path.realpath(os.path.expanduser(path)))
