"""Paths of the user's: absolute, without links, and never an address of the web or a bucket."""

import os
import re
from pathlib import Path

from sweep.errors import ConfigError

_ADDRESS = re.compile(r"[\w.+@:-]+:/")


def is_address(path: str | Path) -> bool:
    """Whether `path` names a place on another machine: `s3://bucket/a`, `me@host:/data/a`."""
    return _ADDRESS.match(str(path)) is not None


def refuse_address(what: str, path: str | Path) -> None:
    """See that `path`, given as `what`, is one of this machine.

    Raises:
        ConfigError: it is an address.
    """
    if is_address(path):
        raise ConfigError(
            f"{what} = {path}: is an address, expected a path of this machine; copy what is there "
            "to a disk here, or what is made here to there"
        )


def located(path: str | Path) -> Path:
    """The file or folder that `path` names, absolute, with `~` and symbolic links followed."""
    # Path.resolve raises at a loop of links
    return Path(os.path.realpath(os.path.expanduser(path)))


def check_home() -> None:
    """See that there is a home, as in a container there may not be.

    Raises:
        ConfigError: there is none, and what sweeps import cannot be imported.
    """
    try:
        Path.home()
    except RuntimeError:
        raise ConfigError(
            "there is no home directory, which astropy and the cache need: set HOME to a folder "
            "that can be written"
        ) from None
