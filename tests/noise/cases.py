"""Small experiments with noise from files."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np

import sweep
from sweep.assemble.noise import build_noise
from sweep.assemble.setup import build
from sweep.config import SweepConf

NSIDE = 4
NPIX = hp.nside2npix(NSIDE)
BANDS = 6
"""Of `so_sat`."""

SMALL = (
    f"sky.nside={NSIDE}",
    "instrument=so_sat",
    "mask.expression=ALL",
    "clusters.beta_dust=2",
    "clusters.temp_dust=1",
    "clusters.beta_pl=1",
    "parameters.temp_dust.fixed=20",
)


def conf_of(*words: str) -> SweepConf:
    """A composed configuration."""
    return sweep.compose([*SMALL, *words])


def built(conf: SweepConf) -> Any:
    """Its `Setup`; a test knows which of its parts are None."""
    return build(conf)


def noise_of(conf: SweepConf) -> Any:
    """Its `Noise`, likewise."""
    return build_noise(conf)


def patch(width: float, nside: int = NSIDE) -> np.ndarray:
    """Hits about a point, a Gaussian of this width in radians."""
    pixels = np.arange(hp.nside2npix(nside))
    centre = hp.ang2vec(np.radians(70), np.radians(40))
    apart = np.arccos(np.clip(centre @ np.array(hp.pix2vec(nside, pixels)), -1, 1))
    return 1000.0 * np.exp(-0.5 * (apart / width) ** 2)


def write(path: Path, **maps: Any) -> str:
    """An npz file of maps, as the setting that names it."""
    np.savez(path, **maps)
    return f"noise.path={path}"
