"""Result folders of furax-cs: results.npz, best_params.npz and mask.npy.

results.npz holds a grid search. The first axis of its arrays are the points of the grid, as a rule
one; the second are realisations. Older files of a single clustering lack the first. The layout is
that of `scripts/*_model.py` and `r_analysis/compute.py` in
https://github.com/CMBSciPol/furax-cs.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np

from sweep.cache import digest
from sweep.errors import ConfigError
from sweep.importing.array_file import ArrayFile, opened, read_array
from sweep.importing.folder_name import FITS, settings
from sweep.mask import Mask

PROGRAM = "furax-cs"
RESULTS, INPUTS, MASK = "results.npz", "best_params.npz", "mask.npy"
FILES = (RESULTS, INPUTS, MASK)
"""The files of a result folder."""

_UNKNOWN = "furax_cs"
_ASKED = {"beta_dust": "B_d_patches", "temp_dust": "T_d_patches", "beta_pl": "B_s_patches"}
"""Where a grid search keeps the cluster counts of its points."""


@dataclass(frozen=True, eq=False)
class Run:
    """One clustering of a result folder: what is an experiment here.

    Attributes:
        config: what is known of its settings, {dotted key: value}.
        mask: the pixels that were fitted.
        truth: true CMB, Q and U of these pixels, uK_CMB, shape (2, pixel).
        cmb: recovered CMB, uK_CMB, shape (realisation, 2, pixel).
        nll: as furax-cs gives it, shape (realisation,).
        iterations: of the solver, shape (realisation,); -1 where they were not kept.
        params: value of every cluster by name, shape (realisation, cluster); temp_dust in K.
        systematic: CMB recovered from the foregrounds alone, uK_CMB, shape (2, pixel); None where
            furax-cs has not been asked for it.
    """

    config: dict[str, Any]
    mask: Mask
    truth: np.ndarray
    cmb: np.ndarray
    nll: np.ndarray
    iterations: np.ndarray
    params: dict[str, np.ndarray]
    systematic: np.ndarray | None

    @cached_property
    def identity(self) -> str:
        """sha256 (hex) of the results, which no experiment of our own can have.

        Not of the files: furax-cs writes them anew when it adds a systematic residual.
        """
        arrays = {"truth": self.truth, "cmb": self.cmb, "nll": self.nll, **self.params}
        content = {name: _digest(array) for name, array in arrays.items()}
        return digest({"imported": PROGRAM, "mask": self.mask.digest, "content": content})


def read_folder(folder: str | Path) -> list[Run]:
    """Read a result folder: one run for every point of its grid, as a rule a single one.

    Fits that ended in NaN are read like the others.

    Raises:
        ConfigError: there is no such folder, or a file or array of it is missing, damaged, or does
            not agree with the others.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder; expected results of furax-cs")
    for file in FILES:
        if not (folder / file).is_file():
            raise ConfigError(
                f"{folder}: {file} is missing; results of furax-cs are {', '.join(FILES)}"
            )
    name = folder.resolve().name
    config = {"imported.program": PROGRAM, "imported.from": name} | settings(name)
    mask = _mask(folder / MASK, config.get("mask.expression", "unknown"))
    with opened(folder / INPUTS) as inputs:
        truth = inputs.read("I_CMB", (2, mask.pixels.size))
    if not np.isfinite(truth).all():
        raise ConfigError(f"{folder / INPUTS}: I_CMB holds NaN; expected the true CMB")
    with opened(folder / RESULTS) as file:
        results = _Results(file, mask.pixels.size)
        return [results.run(point, config, mask, truth) for point in range(results.points)]


class _Results:
    """The arrays of a results.npz, checked against each other."""

    def __init__(self, file: ArrayFile, pixels: int) -> None:
        self._file, self._pixels = file, pixels
        shape = ("realisation", 2, pixels)
        cmb = file.read("CMB_O", ("point", *shape), shape)
        self._older = cmb.ndim == len(shape)
        self._cmb = cmb[None] if self._older else cmb
        self.points, self._fits = self._cmb.shape[:2]
        self._nll = self._of_fits("NLL")
        known = "iter_num" in file
        iterations = self._of_fits("iter_num") if known else np.full(self._nll.shape, -1)
        self._iterations = iterations.astype(np.int32)
        self._params = {p: self._of_fits(p, "cluster") for p in FITS}
        self._labels = {p: self._labels_of(p) for p in FITS}

    def run(self, point: int, config: dict[str, Any], mask: Mask, truth: np.ndarray) -> Run:
        """A point of the grid."""
        counts = {f"clusters.{p}": self._count(p, point) for p in FITS}
        config = {"solver.name": _UNKNOWN, "clusters.name": _UNKNOWN} | counts | config
        config["sky.nside"] = mask.nside
        if self.points > 1:
            config["imported.point"] = point
        key = f"W_D_FG_{point}"
        return Run(
            config=config,
            mask=mask,
            truth=truth,
            cmb=self._cmb[point],
            nll=self._nll[point],
            iterations=self._iterations[point],
            params={p: self._params[p][point][:, self._used(p, point)] for p in FITS},
            systematic=self._file.read(key, truth.shape) if key in self._file else None,
        )

    def _of_fits(self, key: str, *rest: str) -> np.ndarray:
        """An array with values for every fit, shape (point, realisation, ...)."""
        if self._older:
            return self._file.read(key, (self._fits, *rest))[None]
        return self._file.read(key, (self.points, self._fits, *rest))

    def _labels_of(self, parameter: str) -> np.ndarray | None:
        """Cluster of each pixel, shape (point, pixel); None where they were not kept."""
        key, size = f"{parameter}_patches", self._params[parameter].shape[-1]
        if key not in self._file:
            return None
        labels = self._file.read(key, (self.points, self._pixels), (self._pixels,))
        if not (np.isin(labels, np.arange(size))).all():
            raise ConfigError(
                f"{self._file.path}: {key}: expected clusters from 0 to {size - 1}, since "
                f"{parameter} has {size} values, got {labels.min():g} to {labels.max():g}"
            )
        return np.broadcast_to(labels.astype(np.int64), (self.points, self._pixels))

    def _used(self, parameter: str, point: int) -> np.ndarray:
        """Clusters that have pixels: arrays of a grid are as long as its largest count."""
        labels = self._labels[parameter]
        size = self._params[parameter].shape[-1]
        return np.arange(size) if labels is None else np.unique(labels[point])

    def _count(self, parameter: str, point: int) -> int:
        """The number of clusters that was asked for, as far as it is known."""
        key = _ASKED[parameter]
        if key in self._file:
            return int(self._file.read(key, (self.points,), (self.points, 1)).flat[point])
        if self.points == 1:
            return self._params[parameter].shape[-1]
        return self._used(parameter, point).size


def _mask(file: Path, expression: str) -> Mask:
    values = read_array(file, ("pixel",))
    nside = round((values.size / 12) ** 0.5)
    if not hp.isnsideok(nside, nest=True) or hp.nside2npix(nside) != values.size:
        raise ConfigError(
            f"{file}: expected a HEALPix map, 12 nside^2 pixels with nside a power of two, "
            f"got {values.size}"
        )
    if not np.isfinite(values).all():
        raise ConfigError(f"{file}: holds NaN; expected 1 where a pixel is kept")
    return Mask(nside=nside, keep=values == 1, expression=expression)


def _digest(array: np.ndarray) -> str:
    shape = f"{array.shape}".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(array).tobytes()).hexdigest()
