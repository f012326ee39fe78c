"""What a sky is: a CMB, foregrounds at any frequency, and the truth behind them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import healpy as hp
import numpy as np
from numpy.typing import ArrayLike

from sweep.bands import Band
from sweep.errors import ConfigError
from sweep.units import FloatArray, modified_black_body, power_law, rj_to_cmb

TRACER_FREQUENCY = 353.0
"""GHz. The highest polarised band of Planck: dust outshines synchrotron a hundredfold."""


@runtime_checkable
class Foregrounds(Protocol):
    """Foreground emission, however it is modelled."""

    @property
    def truth(self) -> Mapping[str, FloatArray]:
        """Spectral parameter maps, each (npix,); empty where the model has none."""
        ...

    @property
    def inputs(self) -> Mapping[str, FloatArray]:
        """The maps that the model was made from, each (npix,); for checks of bad pixels."""
        ...

    def __call__(self, frequency: FloatArray) -> FloatArray:
        """Emission at frequencies in GHz (F,): uK_CMB, (F, 2, npix)."""
        ...

    def through(self, band: Band) -> FloatArray:
        """Emission through a band of finite width: uK_CMB, (2, npix)."""
        ...


@dataclass(frozen=True, eq=False)
class ParametricForegrounds:
    """Modified-black-body dust and power-law synchrotron, pixel by pixel.

    Attributes:
        dust: Q and U of dust at `dust_nu0`, uK_RJ, shape (2, npix).
        synchrotron: Q and U of synchrotron at `synchrotron_nu0`, uK_RJ, shape (2, npix).
        dust_nu0: GHz.
        synchrotron_nu0: GHz.
        beta_dust: Dust spectral index, shape (npix,).
        temp_dust: Dust temperature in K, shape (npix,).
        beta_pl: Synchrotron spectral index, shape (npix,).
    """

    dust: FloatArray
    synchrotron: FloatArray
    dust_nu0: float
    synchrotron_nu0: float
    beta_dust: FloatArray
    temp_dust: FloatArray
    beta_pl: FloatArray

    @property
    def truth(self) -> dict[str, FloatArray]:
        """The three parameter maps, keyed as `sweep.types.Parameter`."""
        return {
            "beta_dust": self.beta_dust,
            "temp_dust": self.temp_dust,
            "beta_pl": self.beta_pl,
        }

    @property
    def inputs(self) -> dict[str, FloatArray]:
        """Amplitudes and parameter maps, keyed as in the files of `template_sky`."""
        amplitudes = {
            f"{name}_{stokes}": maps[index]
            for name, maps in (("dust", self.dust), ("synchrotron", self.synchrotron))
            for index, stokes in enumerate("qu")
        }
        return amplitudes | self.truth

    def __call__(self, frequency: FloatArray) -> FloatArray:
        """Emission at frequencies in GHz (F,): uK_CMB, (F, 2, npix)."""
        # A pixel that is NaN by intent must not warn; check_finite judges it with the mask.
        with np.errstate(all="ignore"):
            dust = modified_black_body(frequency, self.dust_nu0, self.beta_dust, self.temp_dust)
            synchrotron = power_law(frequency, self.synchrotron_nu0, self.beta_pl)
            emission = dust[:, None] * self.dust + synchrotron[:, None] * self.synchrotron
            return rj_to_cmb(frequency)[:, None, None] * emission

    def through(self, band: Band) -> FloatArray:
        """Emission through a band of finite width: uK_CMB, (2, npix)."""
        frequency, weight = band.cmb_nodes()
        return np.tensordot(weight, self(frequency), 1)


@dataclass(frozen=True, eq=False)
class Sky:
    """A sky without noise and without an instrument's beam; RING order, Galactic, COSMO.

    Attributes:
        nside: HEALPix resolution.
        cmb: Q and U of the CMB that all realisations share, uK_CMB, shape (2, npix).
        model: The foregrounds.
        drawn: Q and U of the CMB that a realisation has beside it, by its number, uK_CMB, shape
            (2, npix); None where all have the same.
    """

    nside: int
    cmb: FloatArray
    model: Foregrounds
    drawn: Callable[[int], FloatArray] | None

    @property
    def truth(self) -> dict[str, FloatArray]:
        """Spectral parameter maps (npix,) behind the foregrounds; may be empty."""
        return dict(self.model.truth)

    def true_cmb(self, realisation: int) -> FloatArray:
        """Q and U of the CMB in a realisation, by its number, uK_CMB, shape (2, npix)."""
        return self.cmb if self.drawn is None else self.cmb + self.drawn(realisation)

    def foregrounds(self, frequency: ArrayLike) -> FloatArray:
        """Foregrounds at frequencies in GHz (F,): uK_CMB, float64, shape (F, 2, npix)."""
        return self.model(np.atleast_1d(np.asarray(frequency, np.float64)))

    def maps(self, frequency: ArrayLike) -> FloatArray:
        """Foregrounds and shared CMB at frequencies in GHz (F,): uK_CMB, float64, (F, 2, npix)."""
        return self.foregrounds(frequency) + self.cmb

    def maps_through(self, bands: Sequence[Band]) -> FloatArray:
        """CMB and foregrounds through bands of finite width: uK_CMB, float64, (F, 2, npix)."""
        return np.stack([self.model.through(band) for band in bands]) + self.cmb

    def dust_intensity(self) -> FloatArray:
        """Polarised intensity of the foregrounds at 353 GHz in uK_CMB, shape (npix,)."""
        q, u = self.foregrounds(TRACER_FREQUENCY)[0]
        return np.hypot(q, u)


def check_finite(sky: Sky, keep: np.ndarray) -> None:
    """Refuse a sky with NaN or infinite pixels inside the mask; outside they are let be.

    Args:
        sky: The sky; its CMB and the inputs of its foregrounds are looked at.
        keep: Mask (npix,) bool, true inside.

    Raises:
        ConfigError: Names the map, how many pixels are bad, and the first.
    """
    for name, values in {"cmb_q": sky.cmb[0], "cmb_u": sky.cmb[1], **sky.model.inputs}.items():
        bad = np.flatnonzero(keep & ~np.isfinite(values))
        if bad.size:
            raise ConfigError(
                f"{bad.size:,} bad pixels in `{name}` inside the mask, first {bad[0]}; "
                "mask them or mend the map"
            )


def check_nside(nside: int) -> int:
    """Check that `nside` is a power of two, as RING maps with parents need.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(nside, int | np.integer) and hp.isnsideok(nside, nest=True):
        return int(nside)
    if not isinstance(nside, int | np.integer) or nside < 1:
        raise ConfigError(f"nside = {nside}: must be a power of two, e.g. 64")
    below = 1 << (int(nside).bit_length() - 1)
    raise ConfigError(f"nside = {nside}: must be a power of two, use {below} or {2 * below}")
