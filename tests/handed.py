"""Maps as a collaboration hands them out, written from a simulated experiment."""

from dataclasses import dataclass
from pathlib import Path

import healpy as hp
import numpy as np
import yaml

import sweep
from sweep.assemble.setup import Setup
from sweep.config import SweepConf
from sweep.testing.small import SMALL

NSIDE, COUNT = 16, 2  # healpy writes no part of a sky of a lower one
NUMBERS = ("cmb_variance", "residual_variance", "nll", "beta_dust", "temp_dust", "beta_pl")
SETTINGS = (f"sky.nside={NSIDE}", f"noise.realisations={COUNT}", "clusters.beta_dust=3")

EXACT = ("solver=newton", "solver.tolerance=1e-9")
"""Ends where the minimum is, not where the steps of another solver happen to."""


@dataclass
class Handed:
    """A simulated experiment, written as somebody else would."""

    folder: Path
    setup: Setup

    def write(
        self,
        folder: str = "maps",
        *,
        unit: str = "K_CMB",
        factor: float = 1e-6,
        nest: bool = False,
        iau: bool = False,
        partial: bool = False,
        realisations: tuple[int, ...] = tuple(range(COUNT)),
    ) -> Path:
        """Maps of IQU in a folder, and the instrument's file beside them."""
        there = self.folder / folder
        there.mkdir(exist_ok=True)
        maps = np.asarray(self.setup.maps(realisations))
        for number, bands in zip(realisations, maps, strict=True):
            for band, (q, u) in enumerate(bands):
                path = there / f"b{band}_{number:04d}.fits"
                full = self.sphere(np.stack([0 * q, q, -u if iau else u]) * factor)
                write_map(path, full, nest, partial, unit, "IAU" if iau else "COSMO")
        cmb = self.setup.sky.true_cmb(0)
        assert cmb is not None
        write_map(there / "cmb.fits", np.stack([0 * cmb[0], *cmb]), False, False, "uK_CMB", "COSMO")
        instrument = self.setup.instrument
        about = {
            "name": "mine",
            "source": "mine",
            "frequency": instrument.frequency.tolist(),
            "depth_p": instrument.depth_p.tolist(),
            "band": [f"b{i}" for i in range(instrument.frequency.size)],
        }
        (there / "instrument.yaml").write_text(yaml.safe_dump(about))
        return there

    def sphere(self, values: np.ndarray) -> np.ndarray:
        full = np.full((len(values), hp.nside2npix(NSIDE)), hp.UNSEEN)
        full[:, self.setup.mask.pixels] = values
        return full


def write_map(
    path: Path, maps: np.ndarray, nest: bool, partial: bool, unit: str, convention: str
) -> None:
    given = [hp.reorder(m, r2n=True) for m in maps] if nest else list(maps)
    cards = [("POLCCONV", convention)]
    hp.write_map(
        path,
        given,
        nest=nest,
        partial=partial,
        column_units=unit,
        coord="G",
        dtype=np.float64,
        extra_header=cards,
        overwrite=True,
    )


def mine(folder: Path, *words: str, mask: str = "OBSERVED", store: Path | None = None) -> SweepConf:
    """The experiment on maps in a folder."""
    return sweep.compose(
        [
            *(word for word in (*SMALL, *SETTINGS) if not word.startswith("mask")),
            "sky=maps",
            f"sky.nside={NSIDE}",
            f"sky.path='{folder}/{{band}}_{{realisation:04d}}.fits'",
            f"instrument.path='{folder}/instrument.yaml'",
            f"mask.expression={mask}",
            f"store.path='{store or folder.parent / 'store.zarr'}'",
            *words,
        ]
    )


def truth(folder: Path) -> str:
    return f"sky.truth='{folder}/cmb.fits'"
