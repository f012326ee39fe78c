"""Files of numpy: numpy leaves a damaged one open that it opened itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def loaded(path: Path) -> Iterator[Any]:
    """What `numpy.load` finds in a file, which is open during the body.

    Raises:
        OSError, ValueError, EOFError, zipfile.BadZipFile: it cannot be read.
    """
    with path.open("rb") as file:
        yield np.load(file, allow_pickle=False)
