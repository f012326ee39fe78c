"""What names of result folders tell, as furax-cs makes them and as its users do."""

import numpy as np
import pytest

from sweep.importing.folder_name import expression, settings
from sweep.mask import parse_mask

NAMES = {
    "kmeans_c1d1s1_BD200_TD5_BS5_SP1.54_20.0_-3.0_LiteBIRD_GAL020_U_optax_lbfgs_condFalse"
    "_lsbacktracking_noise100": {
        "clusters.name": "kmeans",
        "sky.name": "pysm",
        "sky.tag": "c1d1s1",
        "parameters.beta_dust.start": 1.54,
        "parameters.temp_dust.start": 20.0,
        "parameters.beta_pl.start": -3.0,
        "instrument.name": "litebird",
        "mask.expression": "GAL020_U",
        "solver.name": "optax_lbfgs",
        "noise.ratio": 1.0,
    },
    "ptep_cr3d1s1_BD64_TD8_BS4_SP1.6_20.0_-3.0_Planck_ALL_SUBTRACT_GALACTIC_ADABK0_condTrue"
    "_noise20_topk0.1": {
        "clusters.name": "multires",
        "clusters.beta_dust": 64,
        "clusters.temp_dust": 8,
        "clusters.beta_pl": 4,
        "sky.name": "pysm",
        "sky.tag": "cr3d1s1",
        "parameters.beta_dust.start": 1.6,
        "parameters.temp_dust.start": 20.0,
        "parameters.beta_pl.start": -3.0,
        "instrument.name": "planck",
        "mask.expression": "ALL-GALACTIC",
        "solver.name": "adabk0",
        "noise.ratio": 0.2,
    },
    "fgbuster_multires_c1d0s0_BD0_TD0_BS2_LiteBIRD_GAL060_100": {
        "clusters.name": "multires",
        "clusters.beta_dust": 0,
        "clusters.temp_dust": 0,
        "clusters.beta_pl": 2,
        "solver.name": "fgbuster",
        "sky.name": "pysm",
        "sky.tag": "c1d0s0",
        "instrument.name": "litebird",
        "mask.expression": "GAL060-GAL040",
        "noise.ratio": 1.0,
    },
    "kmeans_c1d1s1_BDtrue_TDtrue_BStrue_ALL-GALACTIC": {
        "clusters.name": "file",
        "sky.name": "pysm",
        "sky.tag": "c1d1s1",
        "mask.expression": "ALL-GALACTIC",
    },
    "kmeans_c1d0s0_BD4000_TD10_SP50_LiteBIRD_GAL040_0": {
        "clusters.name": "kmeans",
        "sky.name": "pysm",
        "sky.tag": "c1d0s0",
        "instrument.name": "litebird",
        "mask.expression": "GAL040-GAL020",
        "noise.ratio": 0.0,
    },
    "PTEP_c1d1s1_LiteBIRD_GAL020": {
        "sky.name": "pysm",
        "sky.tag": "c1d1s1",
        "instrument.name": "litebird",
        "mask.expression": "GAL020",
    },
    "my run of May": {},
    "kmeansish": {},
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_name_tells(name: str) -> None:
    assert settings(name) == NAMES[name]


ZONES = ("ALL", "GALACTIC", "GAL020", "GAL040", "GAL060", "GAL060_U", "GAL040_L")
MASKS = (*ZONES, "GAL020_UNION_GAL040", "ALL_SUBTRACT_GAL060", "GAL060_L_UNION_GAL040-GAL020_U")


@pytest.mark.parametrize("mask", MASKS)
def test_masks_keep_the_same_pixels_here(mask: str) -> None:
    named = {f"GAL0{n}0": np.arange(768) % 10 < n for n in (2, 4, 6)}
    np.testing.assert_array_equal(parse_mask(expression(mask), 8, named).keep, theirs(mask, named))


def theirs(mask: str, nested: dict[str, np.ndarray]) -> np.ndarray:
    """The mask as furax-cs makes it: rings, joined left to right."""
    north = np.asarray(parse_mask("ALL_U", 8, {}).keep)
    zones = {
        "ALL": np.ones(768, bool),
        "GALACTIC": ~nested["GAL060"],
        "GAL020": nested["GAL020"],
        "GAL040": nested["GAL040"] & ~nested["GAL020"],
        "GAL060": nested["GAL060"] & ~nested["GAL040"],
    }
    for name, zone in list(zones.items()):
        zones |= {f"{name}_U": zone & north, f"{name}_L": zone & ~north}
    words = mask.replace("_UNION_", " + ").replace("_SUBTRACT_", " - ").replace("-", " - ").split()
    keep = zones[words[0]]
    for sign, name in zip(words[1::2], words[2::2], strict=True):
        keep = keep | zones[name] if sign == "+" else keep & ~zones[name]
    return keep
