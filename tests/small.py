"""Inputs of small tests, and what a test leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np


def write_templates(path: Path, nside: int = 4, **changes: Any) -> Path:
    """A sky for `sky=templates`, smooth but for the changes."""
    pixels = hp.nside2npix(nside)
    rng = np.random.default_rng(1)
    maps: dict[str, Any] = {
        "dust_q": 5.0 + rng.standard_normal(pixels),
        "dust_u": rng.standard_normal(pixels),
        "synchrotron_q": 20.0 + rng.standard_normal(pixels),
        "synchrotron_u": rng.standard_normal(pixels),
        "beta_dust": np.full(pixels, 1.54),
        "temp_dust": np.full(pixels, 20.0),
        "beta_pl": np.full(pixels, -3.0),
        "cmb_q": rng.standard_normal(pixels),
        "cmb_u": rng.standard_normal(pixels),
        "dust_nu0": 353.0,
        "synchrotron_nu0": 23.0,
    }
    np.savez(path, **maps | changes)
    return path


def listing(folder: Path) -> set[str]:
    """Every path below `folder`."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def exit_status(main: Callable[[], None]) -> int:
    """How a command ends that is run in this process."""
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
