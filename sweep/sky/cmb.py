"""CMB polarisation: spectra from CAMB, Gaussian realisations from a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import healpy as hp
import numpy as np

from sweep.cache import Cache
from sweep.errors import ConfigError
from sweep.sky.harmonics import polarised_map, unit_alms
from sweep.units import T_CMB, FloatArray

TENSOR_PIVOT = 0.05
"""1/Mpc, where r is the ratio of tensor to scalar power."""


@dataclass(frozen=True)
class Cosmology:
    """What CMB spectra are computed from.

    Attributes:
        parameters: of `camb.set_params`.
        tensor_tilt: nt at `TENSOR_PIVOT`; None is the consistency relation of inflation, nt =
            -r/8 (2 - ns - r/8), which at r = 1 doubles the power at l = 2.
    """

    parameters: Mapping[str, Any]
    tensor_tilt: float | None


PLANCK_2018 = Cosmology(
    {
        "H0": 67.36,
        "ombh2": 0.02237,
        "omch2": 0.1200,
        "tau": 0.0544,
        "ns": 0.9649,
        "As": 2.100e-9,
        "mnu": 0.06,
    },
    tensor_tilt=0.0,
)
"""Planck 2018 VI (arXiv:1807.06209), table 2, TT,TE,EE+lowE+lensing; mnu is its baseline."""

FURAX_CS = Cosmology(
    {"H0": 67.5, "ombh2": 0.022, "omch2": 0.122, "ns": 0.965, "As": 2e-9}, tensor_tilt=None
)
"""What furax-cs takes, with CAMB's default reionisation; to compare with its r."""

SPECTRA_LMAX = 2048
"""Spectra are computed up to here at least: lensing B modes need small-scale E modes, and
all resolutions up to nside 1024 share one cached file."""


def cmb_spectra(
    r: float, lmax: int, cache: Cache, cosmology: Cosmology = PLANCK_2018
) -> dict[str, FloatArray]:
    """Lensed scalar spectra plus r times the tensor spectra at r = 1, from CAMB.

    Args:
        r: Tensor-to-scalar ratio at `TENSOR_PIVOT`, at least 0.
        lmax: Largest multipole.
        cache: Where the two CAMB spectra are kept; they do not depend on r.
        cosmology: What they are computed from.

    Returns:
        `ee` and `bb`: C_ell in uK^2, without l(l+1)/2pi, each (lmax+1,).

    Raises:
        ConfigError: r is negative or not finite, or lmax is below 2.
    """
    if not (np.isfinite(r) and r >= 0):
        raise ConfigError(f"r = {r}: must be at least 0")
    if lmax < 2:
        raise ConfigError(f"lmax = {lmax}: must be at least 2")
    computed = max(lmax, SPECTRA_LMAX)
    key = {
        "camb": version("camb"),
        "cosmology": dict(cosmology.parameters),
        "lmax": computed,
        "temperature": T_CMB,
        "tensor_pivot": TENSOR_PIVOT,
        "tensor_tilt": cosmology.tensor_tilt,
    }
    spectra = cache.get("cmb-spectra", key, lambda: _camb_spectra(computed, cosmology))
    return {
        field: (spectra[f"scalar_{field}"] + r * spectra[f"tensor_{field}"])[: lmax + 1]
        for field in ("ee", "bb")
    }


def cmb_realisation(
    spectra: Mapping[str, FloatArray], nside: int, seed: int | np.random.SeedSequence
) -> FloatArray:
    """A Gaussian CMB: Q and U without temperature, beam or pixel window.

    Multipoles run from 2 to 2 nside, where the pixels still sample the field well, or to
    the end of the spectra. The same seed gives the same large scales at every nside.

    Args:
        spectra: `ee` and `bb` in uK^2, as `cmb_spectra` returns them.
        nside: HEALPix resolution.
        seed: Of numpy's default generator.

    Returns:
        uK_CMB, shape (2, npix).
    """
    lmax = min(2 * nside, len(spectra["ee"]) - 1)
    alms = unit_alms(np.random.default_rng(seed), lmax, fields=2)
    scaled = [
        hp.almxfl(alm, np.sqrt(spectra[field][: lmax + 1]))
        for alm, field in zip(alms, ("ee", "bb"), strict=True)
    ]
    return polarised_map(scaled[0], scaled[1], nside, lmax)


def cmb_by_realisation(
    spectra: Mapping[str, FloatArray], nside: int, seed: int
) -> Callable[[int], FloatArray]:
    """The CMB of a realisation, addressed by (seed, number): uK_CMB, shape (2, npix).

    Below 0, without noise, it is that of `cmb_realisation` with the seed alone.
    """

    def draw(realisation: int) -> FloatArray:
        # not [seed, realisation]: numpy takes [seed, 0] for seed
        address = np.random.SeedSequence(seed, spawn_key=(realisation,) if realisation >= 0 else ())
        return cmb_realisation(spectra, nside, address)

    return draw


def _camb_spectra(lmax: int, cosmology: Cosmology) -> dict[str, FloatArray]:
    import camb

    params = camb.set_params(
        **cosmology.parameters,
        TCMB=T_CMB,
        r=1.0,
        nt=cosmology.tensor_tilt,
        pivot_tensor=TENSOR_PIVOT,
        WantTensors=True,
        max_l_tensor=lmax,
        # CAMB's own rule for the wave numbers that a largest tensor multipole needs.
        max_eta_k_tensor=2.5 * lmax,
    )
    params.set_for_lmax(lmax, lens_potential_accuracy=1)
    spectra = camb.get_results(params).get_cmb_power_spectra(
        params, lmax, spectra=["lensed_scalar", "tensor"], CMB_unit="muK", raw_cl=True
    )
    return {
        f"{name}_{field}": np.ascontiguousarray(spectra[source][:, column])
        for name, source in (("scalar", "lensed_scalar"), ("tensor", "tensor"))
        for field, column in (("ee", 1), ("bb", 2))
    }
