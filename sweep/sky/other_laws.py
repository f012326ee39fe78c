"""The synthetic sky with spectra that the standard fit does not have, to study what that costs."""

from dataclasses import dataclass, replace

import numpy as np

from sweep.bands import Band
from sweep.sky.base import ParametricForegrounds, Sky
from sweep.sky.synthetic import DUST, STREAMS, Emission, emission_map
from sweep.units import FloatArray, modified_black_body, power_law, rj_to_cmb

FREE_FREE_INDEX = -2.14
"""Of PySM's f1 (arXiv:1608.02841): that of electrons of some 8000 K."""

COLD_BETA, COLD_TEMPERATURE = 1.63, 9.75
"""Index and temperature in K of the colder of two dusts, Meisner & Finkbeiner 2015
(arXiv:1410.7523), as in PySM's d4."""

# Intensity in uK_RJ over the same slab as the other emission: some 20 at 30 degrees of latitude,
# about the share of free-free at 30 GHz in Planck 2015 X (arXiv:1502.01588), figure 51.
_FREE_FREE = Emission(nu0=30.0, amplitude=10.0, height=0.1, slope=-2.8)


@dataclass(frozen=True, eq=False)
class OtherLaws:
    """Foregrounds of which the standard model is a part.

    Attributes:
        standard: dust and synchrotron, without what is colder of the dust.
        curvature: C of synchrotron, (nu/nu0)^(beta + C ln(nu/nu0)): Kogut 2012
            (arXiv:1205.4041), eq. 1.
        free_free: Q and U at 30 GHz, uK_RJ, shape (2, npix).
        cold: Q and U of the colder dust at the reference of dust, uK_RJ, shape (2, npix).
    """

    standard: ParametricForegrounds
    curvature: float
    free_free: FloatArray
    cold: FloatArray

    @property
    def truth(self) -> dict[str, FloatArray]:
        """The parameter maps that still say what the emission is."""
        truth = self.standard.truth
        if self.curvature:
            del truth["beta_pl"]
        if self.cold.any():
            del truth["beta_dust"], truth["temp_dust"]
        return truth

    @property
    def inputs(self) -> dict[str, FloatArray]:
        """See `Foregrounds`."""
        return self.standard.inputs

    def __call__(self, frequency: FloatArray) -> FloatArray:
        """Emission at frequencies in GHz (F,): uK_CMB, (F, 2, npix)."""
        base = self.standard
        logarithm = np.log(frequency / base.synchrotron_nu0)
        bend = np.expm1(self.curvature * logarithm**2)[:, None, None]
        synchrotron = power_law(frequency, base.synchrotron_nu0, base.beta_pl)[:, None]
        free_free = power_law(frequency, _FREE_FREE.nu0, FREE_FREE_INDEX)[:, None, None]
        cold = modified_black_body(frequency, base.dust_nu0, COLD_BETA, COLD_TEMPERATURE)
        more = bend * synchrotron * base.synchrotron + free_free * self.free_free
        more = more + cold[:, None, None] * self.cold
        return base(frequency) + rj_to_cmb(frequency)[:, None, None] * more

    def through(self, band: Band) -> FloatArray:
        """Emission through a band of finite width: uK_CMB, (2, npix)."""
        frequency, weight = band.cmb_nodes()
        return np.tensordot(weight, self(frequency), 1)


def with_other_laws(
    sky: Sky, seed: int, curvature: float, free_free: float, second_dust: float
) -> Sky:
    """The same sky with other spectra in it.

    Args:
        sky: of `synthetic_sky`.
        seed: of its foregrounds.
        curvature: C of synchrotron.
        free_free: polarised fraction of free-free emission.
        second_dust: share of dust that is the colder one, which has directions of its own.
    """
    base = sky.model
    assert isinstance(base, ParametricForegrounds)
    streams = np.random.SeedSequence(seed).spawn(STREAMS + 2)[STREAMS:]
    of_free_free, of_cold = (np.random.default_rng(stream) for stream in streams)
    model = OtherLaws(
        standard=replace(base, dust=(1 - second_dust) * base.dust),
        curvature=curvature,
        free_free=free_free * emission_map(_FREE_FREE, sky.nside, of_free_free),
        cold=second_dust * emission_map(DUST, sky.nside, of_cold),
    )
    return replace(sky, model=model)
