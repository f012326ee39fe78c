"""furax's likelihood: the outer check of ours, and a selectable objective.

The only module that knows furax's interface, which names Stokes components and operators
differently from version to version (0.11 on Python 3.11, 0.17 on 3.12 and later).
"""

import jax.numpy as jnp
import lineax
from furax import Config, DiagonalOperator
from furax.obs import negative_log_likelihood, sky_signal
from furax.obs.stokes import Stokes
from jaxtyping import Scalar

from sweep.problem.likelihood import Observation
from sweep.problem.sed import SpectralProblem
from sweep.problem.weights import of_unit_stokes
from sweep.types import FrequencyMaps, Params, StokesMap

_SOLVER = lineax.CG(rtol=1e-14, atol=1e-14, max_steps=20_000)
"""furax inverts A^T N^-1 A by conjugate gradients, by default to 1e-6 only, and says nothing."""


def _arguments(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> dict:
    stokes, weights = Stokes.from_stokes(maps[:, 0], maps[:, 1]), problem.weights
    variance, axes = problem.inverse_sigma**-2, -2
    if weights is not None and weights.bands is not None:
        variance, axes = variance[:, None] * weights.bands[weights.label].T ** -2, -1
    return {
        "params": params,
        "nu": problem.frequency,
        "N": DiagonalOperator(variance, axis_destination=axes, in_structure=stokes.structure),
        "d": stokes,
        "dust_nu0": problem.model.component("dust").nu0,
        "synchrotron_nu0": problem.model.component("synchrotron").nu0,
        "patch_indices": {f"{p}_patches": problem.labels[p] for p in params},
        "analytical_gradient": True,
    }


def furax_nll(params: Params, problem: SpectralProblem, observation: Observation) -> Scalar:
    """Furax's `negative_log_likelihood`, with its analytic gradient."""
    maps, weights = observation.maps, problem.weights
    if weights is not None and weights.stokes is not None:
        maps = of_unit_stokes(weights.stokes, maps)
    with Config(solver=_SOLVER):
        return negative_log_likelihood(**_arguments(params, problem, maps))


def furax_cmb(params: Params, problem: SpectralProblem, maps: FrequencyMaps) -> StokesMap:
    """Recovered CMB of furax's `sky_signal`, uK_CMB, shape (stokes, pixel)."""
    with Config(solver=_SOLVER):
        cmb = sky_signal(**_arguments(params, problem, maps))["cmb"]
    return jnp.stack([getattr(cmb, "q"), getattr(cmb, "u")])  # noqa: B009
