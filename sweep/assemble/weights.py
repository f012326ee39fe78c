"""What the likelihood takes for the noise, and what is lost by it."""

from math import ceil
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweep.assemble.data import build_bands, build_instrument
from sweep.assemble.noise import build_noise
from sweep.assemble.shared import shared
from sweep.bands import band_nodes
from sweep.config.groups.noise import PatternNoiseConf
from sweep.config.models import sky_model
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.noise.loss import Spectra, precision_lost
from sweep.noise.weights import EACH, Weights, weights_of
from sweep.problem import SpectralProblem
from sweep.problem.sed import coordinates, tables
from sweep.problem.vectors import stacked

CLASSES = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of classes of pixels that `auto` tries."""


class Lost(NamedTuple):
    """What weights lose.

    Attributes:
        share: of the precision of what loses most.
        name: of that: a parameter, or the CMB.
        classes: of pixels, at most; `EACH` for every pixel its own.
    """

    share: float
    name: str
    classes: int


@shared("sky", "instrument", "mask", "noise", "model", "parameters", most=4)
def build_weights(conf: SweepConf) -> tuple[Weights, Lost]:
    """Weights of pixels and bands, and what is lost by them.

    Raises:
        ConfigError: more is lost than `noise.loss` allows.
    """
    noise, given = build_noise(conf), conf.noise
    if not isinstance(given, PatternNoiseConf):
        return weights_of(noise, 1), Lost(0.0, "", 1)
    spectra, names = start_spectra(conf)
    counts = {"auto": CLASSES, "pixels": (EACH,)}.get(given.classes, (given.classes,))
    lost = Lost(1.0, "", 0)
    for count in counts:
        weights = weights_of(noise, count)
        each = precision_lost(noise, weights, spectra)
        most = int(np.argmax(each))
        lost = Lost(float(each[most]), names[most], count)
        if lost.share <= given.loss:
            return weights, lost
    more = "" if given.classes == "pixels" else "give noise.classes=pixels, or "
    raise ConfigError(
        f"noise.classes = {given.classes}: bands differ in their patterns of noise, and these "
        f"weights lose {100 * lost.share:.2g} % of the precision of {lost.name}, more than "
        f"noise.loss = {given.loss:g}: {more}allow it by "
        f"noise.loss={ceil(1000 * lost.share) / 1000:g}"
    )


def start_spectra(conf: SweepConf) -> tuple[Spectra, list[str]]:
    """Columns and slopes at the start values, and the names of what is fitted."""
    model, frequency = sky_model(conf), build_instrument(conf).frequency
    bands = build_bands(conf)
    problem = SpectralProblem.create(
        jnp.asarray(frequency),
        jnp.ones(frequency.size),
        dict.fromkeys(model.names, jnp.zeros(1, jnp.int32)),
        model,
        bands=None if bands is None else jax.tree.map(jnp.asarray, band_nodes(bands)),
    )
    given = {name: getattr(conf.parameters, name) for name in model.names}
    fixed = {name: one.fixed is not None for name, one in given.items()}
    at = {n: jnp.array([one.fixed if fixed[n] else one.start], float) for n, one in given.items()}
    t = tables(problem, coordinates(at, model))
    vectors = np.asarray(stacked(t, model, problem.index_of_pixels))[..., 0]
    fitted, count = len(model.components), len(model.names)
    free = [i for i, name in enumerate(model.names) if not fixed[name]]
    spectra = Spectra(
        np.concatenate([np.asarray(t.fixed), vectors[:fitted]]),
        vectors[fitted : fitted + count][free],
    )
    return spectra, [*(model.names[i] for i in free), "the CMB"]
