"""What takes seconds a fit is kept in the cache, by the content that it follows from.

`best`, `plot` and `report` ask for the same spectra again and again. The cache is the usual one
($SKYSWEEP_CACHE), whichever the experiments had: who looks at a store need not be who filled it.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sweep.cache import Arrays, usual_cache
from sweep.provenance import versions
from sweep.statistics.experiment import ExperimentView

MOST_BYTES = 2 * 2**30
"""On disk, of all kinds together; beyond it the oldest go."""

_PREFIX = "residual-"


def kept(kind: str, key: Mapping[str, Any], build: Callable[[], Arrays]) -> Arrays:
    """What `build` makes, or made before of the same key with the same versions of packages.

    Args:
        kind: what it is of residuals, in a word.
        key: all that it depends on, as for `Cache.get`.
        build: makes it.

    Raises:
        ConfigError: as `build`, or the cache cannot be written.
    """
    cache, built = usual_cache(), []

    def made() -> Arrays:
        built.append(kind)
        return build()

    found = cache.get(f"{_PREFIX}{kind}", {**key, "versions": versions()}, made)
    if built:
        _forget_oldest(cache.path)
    return found


def _forget_oldest(folder: Path) -> None:
    """Remove the oldest of what is kept, beyond `MOST_BYTES`; others may be doing the same."""
    entries = []
    for file in folder.glob(f"{_PREFIX}*.npz"):
        with suppress(FileNotFoundError):
            about = file.stat()
            entries.append((about.st_mtime_ns, about.st_size, file))
    surplus = sum(size for _, size, _ in entries) - MOST_BYTES
    for _, size, file in sorted(entries):
        if surplus <= 0:
            return
        file.unlink(missing_ok=True)
        surplus -= size


def content_of(experiment: ExperimentView, realisations: np.ndarray) -> dict[str, Any]:
    """What residuals of some realisations follow from: the experiment, and what is stored of fits.

    The identity stands for the sky, the mask and the noise, files by content; of maps from files
    what they held is stored.
    """
    one = experiment.stored.sel(realisation=realisations)
    stored = {}
    for name in ("cmb", *(p.name for p in experiment.parameters), "data_digest"):
        if name in one:
            values = one[name].values
            there = np.isfinite(values).any(axis=tuple(range(values.ndim - 1)))
            stored[name] = array_digest(values[..., there])
            if name == "cmb":
                stored["pixels"] = array_digest(one["healpix_index"].values[there])
    return {
        "identity": experiment.identity,
        "realisations": [int(number) for number in realisations],
        "stored": stored,
    }


def array_digest(values: np.ndarray) -> str:
    """The sha256 of an array: of its shape, dtype and numbers."""
    whole = np.ascontiguousarray(values)
    about = f"{whole.shape} {whole.dtype.str} ".encode()
    return hashlib.sha256(about + whole.tobytes()).hexdigest()
