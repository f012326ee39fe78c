"""The shapes in annotations hold while tests run: jaxtyping asks beartype at every call.

Commands that tests start are not checked, only what runs in the process of pytest.
"""

import sys
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

ANNOTATED = (
    "sweep.draws",
    "sweep.ends",
    "sweep.fit",
    "sweep.model",
    "sweep.noise",
    "sweep.problem",
    "sweep.solvers",
    "sweep.statistics.optimum",
)
"""Where annotations have shapes."""

TREES = ("SpectralProblem", "PixelWeights", "Cells", "Settings", "Penalty")
"""JAX makes these again with anything for leaves, also with none: only methods are checked."""

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Beartype's check, with an int for a float as everywhere in Python."""
    if function.__qualname__.startswith(tuple(f"{name}.__init__" for name in TREES)):
        return function
    return _checked(function)


def check_annotations() -> None:
    """Check what is imported from now on.

    Raises:
        RuntimeError: part of it is imported already, and would not be checked.
    """
    if known := [name for name in ANNOTATED if name in sys.modules]:
        raise RuntimeError(f"expected shapes to be checked from the start, {known} is imported")
    install_import_hook(ANNOTATED, "tests.shapes.checked")
