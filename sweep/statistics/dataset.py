"""What all statistics ask of a dataset: labels of experiments, usable fits, noise-free ones."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.store import NOISELESS
from sweep.types import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

_USABLE = [s for s in Status if s.usable]


def label_of(identity: str) -> str:
    """What tables and messages call an experiment: the beginning of its identity."""
    return identity[:8]


def labels_of(ds: "xr.Dataset") -> list[str]:
    """Labels of the experiments of a dataset."""
    return [label_of(str(identity)) for identity in ds["identity"].values]


def of_identities(ds: "xr.Dataset", identities: "Sequence[str]") -> "xr.Dataset":
    """The experiments with these identities, in the order of the dataset."""
    return ds.isel(experiment=np.flatnonzero(np.isin(ds["identity"].values, identities)))


def is_usable(status: Any) -> Any:
    """Which fits statistics may use: an array of status codes in, one of bool out."""
    import xarray as xr

    return status.isin(_USABLE) if isinstance(status, xr.DataArray) else np.isin(status, _USABLE)


def noisy_part(ds: "xr.Dataset") -> "xr.Dataset":
    """The fits of realisations with noise."""
    return ds.isel(realisation=ds["realisation"].values >= 0)


def noise_free(ds: "xr.Dataset", variable: str, absent: float) -> np.ndarray:
    """A number of the fits without noise, shape (experiment,); `absent` where a store has none."""
    slot = ds[variable].values[:, ds["realisation"].values == NOISELESS]
    return slot[:, 0] if slot.size else np.full(ds.sizes["experiment"], absent)


def imported(ds: "xr.Dataset") -> np.ndarray:
    """Which experiments come from another program, bool, shape (experiment,)."""
    if "imported.program" in ds.coords:
        return ds["imported.program"].values.astype(str) != ""
    base = json.loads(ds.attrs.get("base", "{}"))
    return np.full(ds.sizes["experiment"], bool(base.get("imported.program")))
