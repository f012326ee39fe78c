"""Points to look around at, and the likelihood in its plainest form."""

import jax
import jax.numpy as jnp
import numpy as np

from sweep.problem import SpectralProblem, observe
from sweep.solvers import Bounds
from sweep.statistics.fitted import Fitted
from sweep.types import Params
from sweep.units import H_OVER_K_GHZ, rj_to_cmb
from tests.problems import BOX, FREQUENCY, PARAMETERS, problem_and_signal

_observe = jax.jit(observe)


def noisy(problem: SpectralProblem, signal: jax.Array, seed: int = 7) -> jax.Array:
    noise = np.random.default_rng(seed).normal(size=signal.shape)
    return signal + noise / np.asarray(problem.inverse_sigma)[:, None, None]


def box(problem: SpectralProblem) -> Bounds:
    parts, counts = zip(*BOX.values(), strict=True), problem.counts
    start, low, high = (
        {p: jnp.full(counts[p], v) for p, v in zip(BOX, part, strict=True)} for part in parts
    )
    return Bounds(start, low, high)


def at(problem: SpectralProblem, maps: jax.Array, params: Params, ends: Bounds) -> Fitted:
    return Fitted(problem, _observe(problem, maps).rows, params, ends.low, ends.high, ends.prior)


def near(counts: dict[str, int], form: str = "auto") -> tuple[jax.Array, Fitted]:
    """Noisy maps, and a point where their likelihood is convex; no fit, which takes seconds.

    Clusters are dealt like cards, so that every one meets many others.
    """
    like, signal, _ = problem_and_signal()
    problem = SpectralProblem.create(
        like.frequency,
        like.inverse_sigma,
        {p: jnp.arange(like.n_pixels, dtype=jnp.int32) % n for p, n in counts.items()},
        like.model,
        form,
    )
    maps, ends = noisy(problem, signal), box(problem)
    rng = np.random.default_rng(1)
    params = {p: v + 0.05 * rng.normal(size=v.shape) for p, v in ends.start.items()}
    return maps, at(problem, maps, params, ends)


def dense_nll(
    params: Params, labels: dict[str, jax.Array], inverse_sigma: jax.Array, maps: jax.Array
) -> jax.Array:
    """Minus the power of the data in the span of (cmb, dust, synchrotron), pixel by pixel.

    -d^T N^-1 B (B^T N^-1 B)^-1 B^T N^-1 d by an orthonormal basis (Gram and Schmidt).
    """
    nu = FREQUENCY[:, None]
    beta_dust, temp_dust, beta_pl = (params[p][labels[p]] for p in PARAMETERS)
    planck = jnp.expm1(H_OVER_K_GHZ * 150.0 / temp_dust) / jnp.expm1(H_OVER_K_GHZ * nu / temp_dust)
    dust = (nu / 150.0) ** (1.0 + beta_dust) * planck * rj_to_cmb(nu) / rj_to_cmb(150.0)
    synchrotron = (nu / 20.0) ** beta_pl * rj_to_cmb(nu) / rj_to_cmb(20.0)
    basis = []
    for column in (jnp.ones_like(dust), dust, synchrotron):
        v = column * inverse_sigma[:, None]
        for q in basis:
            v = v - q * jnp.sum(q * v, axis=0)
        basis.append(v / jnp.sqrt(jnp.sum(v**2, axis=0)))
    data = maps * inverse_sigma[:, None, None]
    amplitudes = [jnp.sum(q[:, None] * data, axis=0) for q in basis]
    return -jnp.sum(jnp.stack(amplitudes) ** 2)


_gradient = jax.jit(jax.grad(dense_nll))
_hessian = jax.jit(jax.hessian(dense_nll))
_value = jax.jit(dense_nll)


def _given(fit: Fitted, maps: jax.Array) -> tuple:
    return fit.params, fit.problem.labels, fit.problem.inverse_sigma, maps


def value_of(fit: Fitted, maps: jax.Array) -> float:
    return float(_value(*_given(fit, maps)))


def gradient_of(fit: Fitted, maps: jax.Array) -> dict[str, np.ndarray]:
    return jax.tree.map(np.asarray, _gradient(*_given(fit, maps)))


def hessian_of(fit: Fitted, maps: jax.Array) -> np.ndarray:
    """Over the clusters of all parameters, in their order."""
    blocks = _hessian(*_given(fit, maps))
    return np.block([[np.asarray(blocks[p][q]) for q in PARAMETERS] for p in PARAMETERS])
