"""Result folders in the layout of furax-cs, made from experiments that were fitted here."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import sweep
from sweep.importing.importer import Imported, Maps, import_folders
from sweep.progress import Progress
from sweep.sky import Sky
from sweep.statistics.experiment import ExperimentView
from tests.problems import PARAMETERS

NAME = "kmeans_c1d1s1_BD3_TD2_BS2_SP1.54_20.0_-3.0_LiteBIRD_GAL040_ADABK0_condFalse_lszoom_noise100"
SETTINGS = (
    "sky.nside=8 mask.expression=GAL060-GAL040 noise.noiseless=true store.maps=float64 "
    "store.spectra=alm"
)
"""Of the experiment that results are made from."""


def contents(ds: xr.Dataset, experiment: int) -> dict[str, dict[str, Any]]:
    """The arrays of the three files of a run, by file, as furax-cs would have kept this one.

    Args:
        ds: a store with the maps of noisy realisations and of the noise-free slot.
        experiment: its position.
    """
    setup = sweep.build(ExperimentView(ds, experiment).configuration)
    assert isinstance(setup.sky, Sky)
    truth = setup.sky.cmb[:, setup.mask.pixels]
    one = ds.isel(experiment=experiment).load()
    noisy = one.sel(realisation=one["realisation"].values >= 0)
    cmb = one["cmb"].values[..., np.isin(one["healpix_index"], setup.mask.pixels)]
    bands, pixels = setup.signal(0).shape[0], truth.shape[1]
    results = {
        "value": noisy["cmb_variance"].values,
        "CMB_O": cmb[one["realisation"].values >= 0],
        "NLL": noisy["nll"].values,
        "iter_num": noisy["iterations"].values,
        "NOISED_D": np.zeros((noisy.sizes["realisation"], 2, bands, pixels)),
        **{p: noisy[p].values[:, : setup.counts[p]] for p in PARAMETERS},
        **{f"{p}_patches": setup.clusters.labels[p] for p in PARAMETERS},
    }
    results = {name: values[None] for name, values in results.items()}
    results["W_D_FG_0"] = cmb[one["realisation"].values < 0][0] - truth
    inputs = {"I_CMB": truth, "I_D": setup.signal(0), "I_D_NOCMB": setup.signal(0) - truth}
    return {"results.npz": results, "best_params.npz": inputs, "mask.npy": {"": setup.mask.keep}}


def write(folder: Path, files: dict[str, dict[str, Any]], **changes: Any) -> Path:
    """Write a result folder; `changes` replace arrays by name, None leaves one out."""
    folder.mkdir(parents=True)
    for name, arrays in files.items():
        kept = {k: changes.get(k or "mask", v) for k, v in arrays.items()}
        kept = {key: value for key, value in kept.items() if value is not None}
        if name.endswith(".npz"):
            np.savez(folder / name, **kept)
        else:
            np.save(folder / name, kept[""])
    return folder


def imported(store: Path, *folders: Path, maps: Maps = "float64") -> Imported:
    """Import without a word."""
    return import_folders(folders, store, maps, Progress(None))
