"""One dataclass a YAML group: types, defaults, bounds and documentation live here only.

Not frozen, because OmegaConf makes frozen structured configs read-only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from sweep.config.checks import (
    Check,
    at_least,
    auto_or,
    between,
    chosen,
    each,
    healpix_nside,
    in_ghz,
    negative,
    none_or_two,
    not_empty,
    number_or_list,
    one_of,
    or_null,
    positive,
    setting,
)
from sweep.model import DEFAULT, KNOWN, MODELS, SpectralParameter

SEARCH = 2
"""Version of newton's search: other constants may end in other minima. 1 had hops."""


def one_a_parameter(kind: Any, field: Callable[[SpectralParameter], Any]) -> Callable[[type], type]:
    """Gives a dataclass a field for every spectral parameter that there is, before its own.

    A field is null where the model has no such parameter, or where its own value is to be taken;
    see `sweep.config.models`.

    Args:
        kind: its type.
        field: makes it.
    """

    def decorate(group: type) -> type:
        own = group.__annotations__
        group.__annotations__ = {name: kind for name in KNOWN} | own
        for name, parameter in KNOWN.items():
            setattr(group, name, field(parameter))
        return group

    return decorate


def _count(doc: str, check: Check) -> Callable[[SpectralParameter], Any]:
    return lambda p: setting(None, doc, or_null(check), absent=None)


_STARTS = (
    "fits of every realisation, all but the first from starts drawn in the box; the lowest is kept"
)

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
        0.0, "running C of synchrotron: its index is beta_pl + C ln(nu/30 GHz)", absent=0
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


@dataclass
class InstrumentErrorsConf:
    """How far the instrument of the data is from the one that is fitted: standard deviations."""

    gain: Any = setting(
        0.0, "of the gain, relative; a number, or one a band", number_or_list(at_least(0)), absent=0
    )
    shift: Any = setting(
        0.0,
        "of the frequencies of a band, relative; a number, or one a band",
        number_or_list(between(0, 0.1)),
        absent=0,
    )
    angle: Any = setting(
        0.0,
        "of the polarisation angle, degrees; a number, or one a band",
        number_or_list(at_least(0)),
        absent=0,
    )


@dataclass
class InstrumentConf:
    """Frequency bands and white noise depths."""

    name: str = MISSING
    frequency: list[float] = setting([], "band centres, GHz")
    depth_p: list[float] = setting([], "polarisation noise depth, uK_CMB arcmin")
    band: list[str] = setting(
        [], "names of the bands, in paths of maps; without them `{frequency:g}`", absent=[]
    )
    bandwidth: list[float] = setting(
        [],
        "full widths of top hats over their centres; none is monochromatic",
        each(between(0, 1)),
        absent=[],
    )
    bandpass: list[str] = setting(
        [], "files of transmission in place of top hats: GHz, transmission", absent=[]
    )
    bandpass_unit: str = setting(
        "intensity",
        "what these transmissions weight: intensity, or brightness temperature (RJ)",
        one_of("intensity", "RJ"),
        absent="intensity",
    )
    fwhm: list[float] = setting(
        [], "full widths at half maximum of the beams, arcmin", each(at_least(0)), absent=[]
    )
    ell_knee: list[float] = setting(
        [],
        "multipoles where 1/f noise is as strong as white noise, for noise=knee; 0 is white",
        each(at_least(0)),
        absent=[],
    )
    alpha_knee: list[float] = setting(
        [],
        "slopes of 1/f noise below them: N_l = N_white (1 + (l / ell_knee)^alpha_knee)",
        each(negative),
        absent=[],
    )
    fwhm_out: float | None = setting(
        None,
        "beam to which all maps are smoothed before the fit, arcmin; none of fwhm is above",
        positive,
        absent=None,
    )
    errors: InstrumentErrorsConf = setting(
        InstrumentErrorsConf(), "of the data alone, drawn for every realisation"
    )
    band: list[str] = setting(
        [], "names of the bands, in paths of maps; without them `{frequency:g}`", absent=[]
    )
    source: str = setting("", "where the figures come from")
    path: str | None = setting(None, "YAML file with these keys, instead of the figures here")


@dataclass
class MaskConf:
    """Which pixels are fitted."""

    expression: str = setting(
        "GAL060", "ALL, GALxxx, names of the file, _U/_L hemispheres, joined by + and -"
    )
    path: str | None = setting(
        None, "file of named masks; without it GALxxx is the cleanest xxx % of the sky"
    )
    apodisation: float | None = setting(
        None,
        "degrees over which spectra of residuals fall to zero inside the edge; fits have no edge",
        positive,
        absent=None,
    )


@dataclass
@one_a_parameter(int | None, _count("number of clusters", at_least(1)))
class KmeansConf:
    """Spherical k-means: as many clusters of about equal area as asked for."""

    name: str = chosen("kmeans")
    seed: int = setting(0, "seed of the first centres", at_least(0))
    clip: bool = setting(False, "take the number of pixels where more clusters are asked for")
    method: str = setting(
        "lloyd", "our own Lloyd iteration, or jax-healpy's", one_of("lloyd", "jax_healpy")
    )


@dataclass
@one_a_parameter(int | None, _count("nside of the clusters", at_least(0)))
class MultiresConf:
    """Clusters are the pixels of coarser maps; 0 is one cluster for the whole mask."""

    name: str = chosen("multires")


@dataclass
class ClusterFileConf:
    """Clusters from a file with one full-sky label map a parameter."""

    name: str = chosen("file")
    path: str = setting(MISSING, "npz or FITS with a map of every parameter")


@dataclass
@one_a_parameter(int | None, _count("number of bins, of about equally many pixels", at_least(1)))
class BinnedConf:
    """Pixels with like spectra, by the parameter maps of an earlier fit."""

    name: str = chosen("binned")
    path: str = setting(MISSING, "npz or FITS with a map of every parameter")


@dataclass
class NoiseConf:
    """What every choice of noise has."""

    name: str = MISSING
    ratio: float = setting(1.0, "noise level in units of the instrument's", at_least(0))
    realisations: int = setting(4, "number of noise draws", at_least(1))
    seed: int = setting(0, "with the realisation number, the address of a draw", at_least(0))
    noiseless: bool = setting(False, "also fit without noise, as realisation -1")


@dataclass
class WhiteNoiseConf(NoiseConf):
    """White noise from the depth of the instrument."""

    name: str = chosen("white")


@dataclass
class KneeNoiseConf(NoiseConf):
    """White and 1/f noise, by depth, ell_knee and alpha_knee of the instrument."""

    name: str = chosen("knee")
    lowest: int = setting(
        2, "lowest multipole of the 1/f part: what is below is filtered before maps", at_least(2)
    )


@dataclass
class PatternNoiseConf(NoiseConf):
    """What choices of noise have that differs from pixel to pixel."""

    path: str = setting(MISSING, "file of maps; by `{band}` (or `{frequency:g}`) for a file a band")
    classes: Any = setting(
        "auto",
        "classes of pixels, with weights of the bands of their own: auto is the fewest of 1 to 64 "
        "that lose no more than noise.loss; pixels is every pixel its own",
        auto_or(at_least(1), "pixels"),
    )
    loss: float = setting(
        0.01,
        "share of the precision of a parameter, or of the CMB, that weights may lose",
        between(0, 1),
    )


@dataclass
class HitsNoiseConf(PatternNoiseConf):
    """Noise by maps of hits: the depth of the instrument holds where hits are most."""

    name: str = chosen("hits")
    floor: float | None = setting(
        None, "share of the largest hits that pixels have at least, also those without", positive
    )


@dataclass
class RmsNoiseConf(PatternNoiseConf):
    """Noise by maps of its rms, or of the covariance of Q and U, instead of the depth."""

    name: str = chosen("rms")


@dataclass
class MapsNoiseConf(PatternNoiseConf):
    """Noise from files: maps that were simulated elsewhere."""

    name: str = chosen("maps")
    path: str = setting(
        MISSING, "maps of Q and U, by `{band}` (or `{frequency:g}`) and `{realisation:04d}`"
    )
    first: int = setting(0, "what the files call realisation 0", at_least(0))
    unit: str | None = setting(None, "unit of files that state none, e.g. K_CMB")
    columns: list[str] = setting(
        [], "names of Q and U in the files, where they are unusual", none_or_two
    )
    rms: str | None = setting(
        None,
        "file of the rms, as of noise=rms; null is the variance of the first 20 maps of a band",
    )


@dataclass
class PriorConf:
    """Gaussian prior of every cluster of one spectral parameter."""

    mean: float | None = setting(None, "mean of the prior; null is the start value", absent=None)
    width: float | None = setting(
        None, "standard deviation of the prior; null is no prior", positive, absent=None
    )


@dataclass
class ParameterConf:
    """Start value, box and prior of one spectral parameter."""

    start: float | None = setting(None, "start value, inside the box")
    low: float | None = setting(None, "lower bound of the box")
    high: float | None = setting(None, "upper bound of the box, above the lower")
    fixed: float | None = setting(
        None, "value of every cluster, not fitted and without a prior; null fits it", absent=None
    )
    prior: PriorConf = setting(PriorConf(), "what is known before the data")


@dataclass
@one_a_parameter(ParameterConf | None, lambda p: setting(ParameterConf(), p.about, absent=None))
class ParametersConf:
    """Start values, boxes, priors and reference frequencies, the same for every solver."""

    dust_nu0: float = setting(150.0, "reference frequency of dust, GHz", in_ghz)
    synchrotron_nu0: float = setting(20.0, "reference frequency of synchrotron, GHz", in_ghz)


@dataclass
class ModelConf:
    """What the sky is made of, as the fit sees it."""

    name: str = setting(DEFAULT, "the choice of this group", one_of(*MODELS), absent=DEFAULT)


@dataclass
class NewtonConf:
    """Newton's method with the structure of the likelihood, and a scan for lower minima."""

    name: str = chosen("newton")
    search: int = setting(
        SEARCH,
        "version of the search; comes with the version of skysweep",
        one_of(SEARCH),
        absent=1,
    )
    max_steps: int = setting(1000, "cap on the Newton steps of a realisation", at_least(1))
    starts: int = setting(1, _STARTS, at_least(1), absent=1)
    tolerance: float = setting(
        1e-6, "largest free gradient, in units of the root of its own curvature", positive
    )
    nodes: int = setting(32, "places in its box where a scan tries a cluster", between(8, 128))
    max_scans: int = setting(50, "cap on the scans of a realisation", at_least(1))


@dataclass
class LibraryConf:
    """A minimiser; tolerances are those of the library it comes from, on chi_square."""

    name: str = MISSING
    max_steps: int = setting(2000, "cap on the steps", at_least(1))
    starts: int = setting(1, _STARTS, at_least(1), absent=1)
    rtol: float = setting(1e-8, "relative tolerance", positive)
    atol: float = setting(1e-8, "absolute tolerance", positive)


@dataclass
class CadreConf(LibraryConf):
    """A solver of jax-cadre: ADABK, active set, optax or optimistix."""

    max_linesearch_steps: int = setting(50, "cap on the evaluations of a line search", at_least(1))
    learning_rate: float = setting(
        1.0, "of adam, adabelief and adaw: step in standard deviations at the start", positive
    )


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


@dataclass
class SweepConf:
    """One experiment."""

    sky: Any = MISSING
    instrument: InstrumentConf = MISSING
    mask: MaskConf = MISSING
    clusters: Any = MISSING
    noise: NoiseConf = MISSING
    model: ModelConf = MISSING
    parameters: ParametersConf = MISSING
    solver: Any = MISSING
    fit: FitConf = MISSING
    store: StoreConf = MISSING
    plan: bool = setting(False, "say what would be done and what it would cost, and do nothing")
    fail_fast: bool = setting(False, "stop at the first unit that fails instead of carrying on")


GROUPS: dict[str, dict[str, type]] = {
    "sky": {
        "synthetic": SyntheticSkyConf,
        "templates": TemplatesSkyConf,
        "pysm": PysmSkyConf,
        "maps": MapsSkyConf,
    },
    "instrument": {"instrument": InstrumentConf},
    "mask": {"mask": MaskConf},
    "clusters": {
        "kmeans": KmeansConf,
        "multires": MultiresConf,
        "file": ClusterFileConf,
        "binned": BinnedConf,
    },
    "noise": {
        "white": WhiteNoiseConf,
        "hits": HitsNoiseConf,
        "rms": RmsNoiseConf,
        "knee": KneeNoiseConf,
        "maps": MapsNoiseConf,
    },
    "model": {"model": ModelConf},
    "parameters": {"parameters": ParametersConf},
    "solver": {"newton": NewtonConf, "cadre": CadreConf, "scipy": LibraryConf},
    "fit": {"fit": FitConf},
    "store": {"store": StoreConf},
}
"""The schema of every YAML group; a YAML names its own in its defaults list."""


def register() -> None:
    """Make the dataclasses known to Hydra, as `schema/<group>/<name>`."""
    store = ConfigStore.instance()
    store.store(name="sweep_schema", node=SweepConf)
    for group, schemas in GROUPS.items():
        for name, node in schemas.items():
            store.store(group=f"schema/{group}", name=name, node=node)
