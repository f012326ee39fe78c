"""The real sky of ../shared/data, and the seed problem on it."""

from pathlib import Path

import sweep
from sweep.config import SweepConf

DATA = Path(__file__).parents[2] / "shared" / "data"
SKY, MASKS = DATA / "pysm_d1s1_nside64.npz", DATA / "planck_galactic_masks_nside64.npz"

SEED_PROBLEM = (
    "mask.expression=GAL060",
    "clusters.beta_dust=1500",
    "clusters.temp_dust=500",
    "clusters.beta_pl=500",
)


class NoData(Exception):
    """The real sky is not there: what needs it is skipped."""


def check_data() -> None:
    """Raise where the real sky is not there."""
    for file in (SKY, MASKS):
        if not file.exists():
            raise NoData(f"skipped: {file.name} is not in ../shared/data")


def real_sky(*overrides: str) -> SweepConf:
    """An experiment at nside 64 on the real sky behind a Planck mask."""
    check_data()
    return sweep.compose(["sky=templates", f"sky.path='{SKY}'", f"mask.path='{MASKS}'", *overrides])
