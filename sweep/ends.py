"""Where fits of a block ended: what is stored of each, and how it is found from the solution."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from sweep.lanes import by_realisation, over_realisations
from sweep.problem import (
    NLL_TO_COVARIANCE,
    Observation,
    SpectralProblem,
    components,
    expand,
    held_by_box,
    penalty,
)
from sweep.problem.plausible import Cluster, is_suspect
from sweep.problem.prior import curvature
from sweep.solvers import Bounds
from sweep.types import BlockParams, Params


class BlockResult(NamedTuple):
    """What is stored of the fits of a block, one entry a realisation, numpy.

    Numbers are the variables of `sweep.quantities` of the same name, shape (realisation,);
    docs/store.md says more of them. With several starts `iterations` and `evaluations` are of all.

    Attributes:
        cmb: recovered CMB, uK_CMB, shape (realisation, stokes, pixel).
        params: spectral parameters, shape (realisation, cluster).
    """

    status: np.ndarray
    cmb: np.ndarray
    cmb_variance: np.ndarray
    nll: np.ndarray
    penalty: np.ndarray
    iterations: np.ndarray
    evaluations: np.ndarray
    scan_certified: np.ndarray
    jumps: np.ndarray
    starts_elsewhere: np.ndarray
    starts_rise: np.ndarray
    suspect: np.ndarray
    at_bound: np.ndarray
    unconstrained: np.ndarray
    gradient_norm: np.ndarray
    seconds: np.ndarray
    params: dict[str, np.ndarray]


def joined(parts: Sequence[BlockResult]) -> BlockResult:
    """One result of the realisations of several, in their order."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def describe(
    params: BlockParams,
    counts: dict[str, int],
    problem: SpectralProblem,
    block: Observation,
    bounds: Bounds,
) -> dict[str, np.ndarray]:
    """What is stored of a solution; beyond `counts` its axes are padded."""

    def of_some(params: BlockParams, block: Observation) -> dict[str, Array]:
        return _described(params, counts, problem, block, bounds)

    found = by_realisation(of_some, params, block)
    return {name: np.asarray(value) for name, value in found.items()}


@jax.jit
def _described(
    params: BlockParams,
    counts: dict[str, Int[Array, ""]],
    problem: SpectralProblem,
    block: Observation,
    bounds: Bounds,
) -> dict[str, Array]:
    free = [p for p in problem.model.names if p in params]
    own = {p: jnp.arange(params[p].shape[1]) < counts[p] for p in free}
    none = jnp.zeros(1)

    def one(given: tuple[Params, Observation]) -> dict[str, Array]:
        x, seen = given
        whole = bounds.whole(x)
        cmb = components(whole, problem, seen.maps)[0]
        value, slope, curve = expand(whole, problem, seen)
        of_prior = jax.grad(lambda at: penalty(bounds.prior, at))(x)
        clusters = {
            p: Cluster(
                x[p],
                slope[p] + of_prior[p],
                curve[p] + curvature(bounds.prior, p),
                bounds.low[p],
                bounds.high[p],
            )
            for p in free
        }
        at_end = [
            ((c.value <= c.low) | (c.value >= c.high))[problem.labels[p]]
            for p, c in clusters.items()
        ]
        inside = [(c.value >= c.low) & (c.value <= c.high) | ~own[p] for p, c in clusters.items()]
        least = {p: NLL_TO_COVARIANCE / (c.high - c.low) ** 2 for p, c in clusters.items()}
        loose = [~(curve[p] > least[p]) & own[p] for p in free]
        norms = [_norm(c) for c in clusters.values()]
        odd = [
            is_suspect(p.plausible, clusters[p.name], problem.labels[p.name]) << p.number
            for p in problem.model.parameters
            if p.name in clusters
        ]
        return {
            "cmb": cmb,
            "cmb_variance": jnp.sum(jnp.var(cmb, axis=-1)),
            "nll": value - seen.rows.total,
            "penalty": penalty(bounds.prior, x),
            "gradient_norm": jnp.max(jnp.concatenate([none, *norms])),
            "unconstrained": jnp.sum(jnp.concatenate([none, *loose])),
            "suspect": jnp.sum(jnp.array([0, *odd], jnp.int8), dtype=jnp.int8),
            "at_bound": jnp.mean(
                jnp.any(jnp.stack([jnp.zeros(problem.n_pixels, bool), *at_end]), axis=0)
            ),
            "inside": jnp.all(jnp.concatenate([none == 0, *inside])),
        }

    return over_realisations(one)((params, block))


def _norm(at: Cluster) -> Array:
    """Largest slope of any free cluster, in roots of its own curvature, shape (1,)."""
    held = held_by_box(at.value, at.slope, at.low, at.high)
    # a parameter that the data do not constrain has the width of its box for a deviation
    scale = jnp.sqrt(jnp.maximum(jnp.abs(at.curvature), (at.high - at.low) ** -2.0))
    return jnp.max(jnp.where(held, 0.0, jnp.abs(at.slope) / scale), keepdims=True)
