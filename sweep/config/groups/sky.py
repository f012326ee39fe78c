"""What is in the sky."""

from dataclasses import dataclass

from omegaconf import MISSING

from sweep.config.checks import at_least, between, chosen, healpix_nside, none_or_two, setting

_CMB_REALISATIONS = "draw the CMB of every realisation anew, by sky.cmb_seed and its number"


@dataclass
class SyntheticSkyConf:
    """Embedded sky: power-law random templates with a Galactic profile; offline, from a seed."""

    name: str = chosen("synthetic")
    nside: int = setting(64, "HEALPix resolution", healpix_nside)
    seed: int = setting(0, "seed of the foreground templates", at_least(0))
    cmb_seed: int = setting(0, "seed of the CMB realisation", at_least(0))
    r: float = setting(0.0, "tensor-to-scalar ratio of the CMB realisation", at_least(0))
    curvature: float = setting(
        0.0, "running C of synchrotron: C ln(nu/30 GHz) is added to its index", absent=0
    )
    free_free: float = setting(
        0.0, "polarised fraction of free-free emission; 0 is none", between(0, 1), absent=0
    )
    second_dust: float = setting(
        0.0, "share of dust at 353 GHz in a second, colder component", between(0, 1), absent=0
    )
    cmb_realisations: bool = setting(False, _CMB_REALISATIONS, absent=False)


@dataclass
class TemplatesSkyConf:
    """Sky from a file of templates and parameter maps (npz or FITS)."""

    name: str = chosen("templates")
    nside: int = setting(64, "HEALPix resolution; the file must have it", healpix_nside)
    path: str = setting(MISSING, "file of templates; layout in docs/configuration.md")


@dataclass
class PysmSkyConf:
    """PySM 3 sky; needs the extra `pysm` (`pip install -e '.[pysm]'`) and PySM's templates."""

    name: str = chosen("pysm")
    nside: int = setting(64, "HEALPix resolution", healpix_nside)
    tag: str = setting(
        "c1d1s1", "PySM presets in a row; `cr<N>` for a CMB realisation with r = 0.001 N"
    )
    cmb_seed: int = setting(0, "seed of the CMB realisation of `cr<N>`", at_least(0))
    cmb_realisations: bool = setting(False, _CMB_REALISATIONS, absent=False)


@dataclass
class MapsSkyConf:
    """Maps of the bands from files: observed, or simulated elsewhere; they hold their noise."""

    name: str = chosen("maps")
    nside: int = setting(64, "HEALPix resolution; the files must have it", healpix_nside)
    path: str = setting(
        MISSING,
        "maps of Q and U, by `{band}` (or `{frequency:g}`) and `{realisation:04d}`; without "
        "`{realisation}` one observed sky",
        by_realisation=True,
    )
    first: int = setting(0, "what the files call realisation 0", at_least(0))
    unit: str | None = setting(None, "unit of files that state none, e.g. K_CMB")
    columns: list[str] = setting(
        [], "names of Q and U in the files, where they are unusual", none_or_two
    )
    truth: str | None = setting(
        None,
        "true CMB, one map or by `{realisation}`; null is unknown, and with it all residuals",
        by_realisation=True,
    )
    noiseless: str | None = setting(
        None, "maps without noise by `{band}`, for noise.noiseless", by_realisation=True
    )
    dataset: str = setting("", "tells sets of maps apart that have the same settings")
