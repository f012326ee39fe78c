"""Where results go, and how a block is computed."""

from dataclasses import dataclass
from typing import Any

from sweep.config.checks import at_least, auto_or, not_empty, one_of, setting


@dataclass
class StoreConf:
    """Where results go and which of the large ones are kept."""

    path: str = setting(
        "runs/sweep.zarr", "the Zarr store; made at the first run, then added to", not_empty
    )
    maps: str = setting(
        "none", "keep recovered CMB maps, and how", one_of("none", "float32", "float64")
    )
    parameters: bool = setting(True, "keep the spectral parameters of every cluster")
    spectra: str = setting(
        "none",
        "keep spectra of the residuals (cl), or their harmonic coefficients too (alm), which r of "
        "several zones together needs",
        one_of("none", "cl", "alm"),
    )
    cache: str | None = setting(
        None,
        "folder of CMB spectra, clusters and PySM maps, by content hash; "
        "null is $SKYSWEEP_CACHE, else ~/.cache/skysweep",
    )


@dataclass
class FitConf:
    """How a block of realisations is computed."""

    block: Any = setting(
        "auto", "realisations fitted together: auto, or a number", auto_or(at_least(1))
    )
    experiments: Any = setting(
        "auto",
        "experiments computed and kept as one unit: auto, or a number; auto is 1 in a small grid "
        "and keeps a large one at about 4000 units",
        auto_or(at_least(1)),
    )
    precision: str = setting(
        "float64", "of the maps; the fit is in double precision", one_of("float64", "float32")
    )
    likelihood: str = setting(
        "direct", "closed form, or furax's own code", one_of("direct", "furax")
    )
