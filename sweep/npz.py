"""Files of numpy: numpy leaves a damaged one open that it opened itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_STARTS = (b"PK", b"\x93NUMPY")
"""Of npz and npy. Anything else numpy takes for a pickle, and advises to trust it."""


@contextmanager
def loaded(path: Path) -> Iterator[Any]:
    """What `numpy.load` finds in a file, which is open during the body.

    Raises:
        OSError, ValueError, EOFError, zipfile.BadZipFile: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(6)
        if start and not start.startswith(_STARTS):
            raise ValueError(f"no file of numpy, it begins with {start!r}")
        file.seek(0)
        yield np.load(file, allow_pickle=False)


def reason(error: Exception) -> str:
    """Why a file could not be read, in one line, and without the advice to load its pickles."""
    if "pickle" in str(error):
        return "it holds Python objects, expected numbers"
    return getattr(error, "strerror", None) or " ".join(str(error).split())
