"""A sky from PySM 3 (arXiv:2108.01444), named by its tags."""

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import healpy as hp
import numpy as np

from sweep.bands import Band
from sweep.cache import Cache
from sweep.errors import ConfigError
from sweep.install import install
from sweep.sky.base import Sky, check_nside
from sweep.sky.cmb import cmb_realisation, cmb_spectra
from sweep.sky.pysm_data import require_templates
from sweep.units import FloatArray, rj_to_cmb

R_STEP = 0.001
"""Tensor-to-scalar ratio of `cr1`, furax-cs's notation: `cr<N>` has r = N times this."""

REALISATION_SEEDS = {"d11": [8192, 777, 888], "s6": [555, 444]}
"""PySM draws these two anew each time unless seeded; its presets give these seeds, of d10
and s5, in comments."""

D6_SHIFT = 1e-9
"""Relative shift of every frequency for d6, which fails exactly at its reference frequency."""

_TAG = re.compile(r"([a-z]+)(\d{1,4})")

_KINDS = {"cr": "cmb", "c": "cmb", "d": "dust", "s": "synchrotron", "a": "AME", "f": "free-free"}
"""What letters of a tag are called; others go by themselves."""

_SKY_FIRST = ("dust", "synchrotron")
"""Emission is added up in one order, whatever that of the tag."""

BAND_NODES = 8
"""Frequencies at which emission through a band is computed."""


@dataclass(frozen=True, eq=False)
class PysmForegrounds:
    """Foregrounds as PySM computes them, in its default uK_RJ, kept in a cache.

    Attributes:
        models: PySM preset names, e.g. ("d1", "s1", "a2").
        nside: HEALPix resolution.
        identity: Of the PySM version and the template files; part of the cache key.
        truth: Parameter maps (npix,) where the emission is exactly their law.
        cache: Where emission is kept, by models, nside, frequencies and identity.
    """

    models: tuple[str, ...]
    nside: int
    identity: Mapping[str, Any]
    truth: Mapping[str, FloatArray]
    cache: Cache

    @property
    def inputs(self) -> Mapping[str, FloatArray]:
        """The parameter maps: PySM's own maps have no bad pixels."""
        return self.truth

    def __call__(self, frequency: FloatArray) -> FloatArray:
        """Emission at frequencies in GHz (F,): uK_CMB, (F, 2, npix)."""
        key = {
            "models": self.models,
            "nside": self.nside,
            "frequency": frequency,
            **self.identity,
        }
        return self.cache.get("pysm-maps", key, lambda: self._compute(frequency))["maps"]

    def _compute(self, frequency: FloatArray) -> dict[str, FloatArray]:
        from astropy import units as u

        maps = np.zeros((frequency.size, 2, hp.nside2npix(self.nside)))
        if self.models:
            sky = _pysm3_sky(self.models, self.nside)
            shift = 1 + D6_SHIFT if "d6" in self.models else 1.0
            for index, nu in enumerate(frequency):
                # d6 draws at every call: seeded by frequency, a band is the same in any company.
                with _global_seed(round(1e3 * nu)):
                    maps[index] = sky.get_emission(nu * shift * u.GHz).value[1:]
        return {"maps": rj_to_cmb(frequency)[:, None, None] * maps}

    def through(self, band: Band) -> FloatArray:
        """Emission through a band of finite width: uK_CMB, (2, npix)."""
        key = {
            "models": self.models,
            "nside": self.nside,
            "frequency": band.frequency,
            "weight": band.brightness,
            **self.identity,
        }
        return self.cache.get("pysm-band", key, lambda: self._integrated(band))["map"]

    def _integrated(self, band: Band) -> dict[str, FloatArray]:
        from astropy import units as u
        from pysm3.models import COLines

        total = np.zeros((2, hp.nside2npix(self.nside)))
        if not self.models:
            return {"map": total}
        shift = 1 + D6_SHIFT if "d6" in self.models else 1.0
        frequency, weight = band.brightness_nodes(BAND_NODES)
        for component in _pysm3_sky(self.models, self.nside).components:
            if isinstance(component, COLines):  # no node of a smooth spectrum meets a line
                seen = component.get_emission(band.frequency * u.GHz, band.transmission)
                total += band.to_cmb * seen.value[1:]
                continue
            for nu, w in zip(frequency, weight, strict=True):
                with _global_seed(round(1e3 * nu)):
                    total += w * component.get_emission(nu * shift * u.GHz).value[1:]
        return {"map": total}


def parse_tag(tag: str) -> dict[str, str]:
    """Split a tag such as `c1d1s1`, `d12s7a2f1` or `cr3d1s1` into its parts, in any order.

    Returns:
        PySM preset names keyed `cmb`, `dust`, `synchrotron`, `AME`, `free-free`, or by their
        letters, as far as the tag has them; the CMB may be `cr<N>`.

    Raises:
        ConfigError: The tag is of another form, or names a kind of emission twice.
    """
    parts: dict[str, str] = {}
    for match in _TAG.finditer(tag):
        kind = _KINDS.get(match[1], match[1])
        if kind in parts:
            raise ConfigError(f"sky.tag = `{tag}` names {kind} twice: {parts[kind]}, {match[0]}")
        parts[kind] = match[0]
    if not parts or _TAG.sub("", tag):
        raise ConfigError(
            f"sky.tag = `{tag}`: expected c<N> or cr<N>, d<N>, s<N>, and what else PySM has "
            "(a<N>, f<N>, co<N>) in a row, e.g. c1d1s1"
        )
    return parts


def tag_ratio(cmb: str) -> float | None:
    """The tensor-to-scalar ratio of the CMB `cr<N>` of a tag; None of PySM's own, or of none."""
    return R_STEP * int(cmb.removeprefix("cr")) if cmb.startswith("cr") else None


def pysm_sky(tag: str, nside: int, cmb_seed: int, cache: Cache) -> Sky:
    """Compute the sky of a PySM tag.

    Emission is PySM's own at single frequencies, in uK_RJ, with this package's factor to
    uK_CMB. The truth has `beta_dust` and `temp_dust` where dust is one modified black body
    (d0 to d3, d9, d10), `beta_pl` where synchrotron is a power law (s0 to s2, s4, s5). What has no
    polarisation (f1, a1, co1) adds nothing; lines of CO are seen through bands of finite width
    only.

    Args:
        tag: See `parse_tag`. `cr<N>` is this package's Gaussian CMB with r = 0.001 N; `c<N>`
            is PySM's, of its own fixed seed; without either the CMB is zero.
        nside: HEALPix resolution, a power of two.
        cmb_seed: Of the CMB of `cr<N>`, at least 0.
        cache: For emission, truth and CMB.

    Returns:
        The sky.

    Raises:
        ConfigError: The tag or a preset is unknown, pysm3 is not installed, or templates are
            neither under PYSM_LOCAL_DATA nor in astropy's cache and cannot be downloaded.
    """
    parts = parse_tag(tag)
    check_nside(nside)
    if cmb_seed < 0:
        raise ConfigError(f"sky.cmb_seed = {cmb_seed}: must be at least 0")
    presets = _presets()
    cmb_name = parts.get("cmb", "")
    for name in parts.values():
        if name not in presets and not name.startswith("cr"):
            kind = name.rstrip("0123456789")
            known = [preset for preset in presets if re.fullmatch(rf"{kind}\d+", preset)]
            known = known or ["cr<N>", *presets]
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{close[0]}`? " if close else ""
            raise ConfigError(
                f"sky.tag = `{tag}`: PySM has no `{name}`; {hint}It has {', '.join(known)}"
            )
    others = sorted(set(parts) - {"cmb", *_SKY_FIRST})
    models = tuple(parts[kind] for kind in (*_SKY_FIRST, *others) if kind in parts)
    used = (cmb_name, *models) if cmb_name and not cmb_name.startswith("cr") else models
    identity = require_templates({name: presets[name] for name in used}, nside)
    key = {"models": models, "nside": nside, **identity}
    truth = cache.get("pysm-truth", key, lambda: _truth(models, nside))
    model = PysmForegrounds(models, nside, identity, truth, cache)
    cmb = _cmb(cmb_name, nside, cmb_seed, identity, cache)
    return Sky(nside=nside, cmb=cmb, model=model, drawn=None)


def _presets() -> dict[str, Any]:
    try:
        from pysm3.sky import PRESET_MODELS
    except ImportError as error:
        raise ConfigError(
            f"sky=pysm needs PySM 3, which is not installed: {install('pysm')}"
        ) from error
    return PRESET_MODELS


def _cmb(name: str, nside: int, seed: int, identity: Mapping[str, Any], cache: Cache) -> FloatArray:
    if not name:
        return np.zeros((2, hp.nside2npix(nside)))
    if (r := tag_ratio(name)) is not None:
        return cmb_realisation(cmb_spectra(r, 2 * nside, cache), nside, seed)
    key = {"model": name, "nside": nside, **identity}
    return cache.get("pysm-cmb", key, lambda: {"cmb": _pysm_cmb(name, nside)})["cmb"]


def _pysm_cmb(name: str, nside: int) -> FloatArray:
    from astropy import units as u

    sky = _pysm3_sky((name,), nside)
    # Any frequency would do: a CMB is the same at all of them in uK_CMB.
    emission = sky.get_emission(100 * u.GHz).value[1:]
    return rj_to_cmb(100.0) * emission


def _pysm3_sky(models: tuple[str, ...], nside: int) -> Any:
    import pysm3

    config = {name: dict(_presets()[name]) for name in models}
    for name in models:
        if name in REALISATION_SEEDS:
            config[name]["seeds"] = REALISATION_SEEDS[name]
    try:
        with _global_seed(0):
            return pysm3.Sky(nside=nside, component_config=config)
    except (OSError, ImportError) as error:  # a download, or a package of one model alone
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"sky.tag: PySM cannot make {', '.join(models)}: {reason}; put its files under "
            "PYSM_LOCAL_DATA, or leave the part out"
        ) from error


@contextlib.contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which PySM uses, and leave it as it was found."""
    shared: Any = np.random  # numpy's stubs lack two of its functions
    found, state = shared.get_bit_generator(), shared.get_state(legacy=False)
    shared.set_bit_generator(np.random.MT19937())  # a caller may have set another kind
    shared.seed(seed % 2**32)
    try:
        yield
    finally:
        shared.set_bit_generator(found)
        shared.set_state(state)


def _truth(models: tuple[str, ...], nside: int) -> dict[str, FloatArray]:
    from pysm3.models import ModifiedBlackBody, PowerLaw

    truth: dict[str, Any] = {}
    for model in models:
        component = _pysm3_sky((model,), nside).components[0]
        # Subclasses add decorrelation, layers or curvature: there the maps are not the truth.
        if type(component) is ModifiedBlackBody:
            truth["beta_dust"] = component.mbb_index.value
            truth["temp_dust"] = component.mbb_temperature.value
        elif type(component) is PowerLaw:
            truth["beta_pl"] = component.pl_index.value
    npix = hp.nside2npix(nside)
    return {
        name: np.array(np.broadcast_to(np.asarray(value, np.float64), npix))
        for name, value in truth.items()
    }
