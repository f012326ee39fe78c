"""Errors of fitted spectral parameters, from the curvature of the likelihood at the solution.

chi_square = d^T d - S is -2 ln L up to a constant (Stompor et al. 2009, arXiv:0804.2645, eq. 5 and
6), and NLL = -S differs from it by a constant. So with H the Hessian of NLL, and of the penalty of
priors, over the clusters of all parameters, their covariance is 2 H^-1, and the error of one of
them with all others free, the marginal error, is the root of its diagonal.

Clusters of one parameter share no pixel: its block of H is diagonal. The parameter with the most
clusters is eliminated exactly; what is left, the Schur complement, is inverted as a dense matrix.
"""

from functools import partial

import jax
import numpy as np
import scipy.linalg
import scipy.sparse

from sweep.errors import ConfigError
from sweep.jax_session import jax_session
from sweep.model import KNOWN
from sweep.problem import NLL_TO_COVARIANCE, held_by_box, penalty
from sweep.problem.derivatives import derivatives
from sweep.problem.prior import curvature
from sweep.problem.sed import coordinates
from sweep.problem.vectors import triangle
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.fitted import Fitted, fitted

MOST_CLUSTERS = 8000
"""Of the parameters with fewer clusters, together: at that, 2.5 GB and two minutes."""

_AT_A_TIME = 512

_derivatives = jax.jit(derivatives)


def parameter_errors(experiment: ExperimentView, realisation: int) -> dict[str, np.ndarray]:
    """Marginal standard deviation of every cluster of a recorded fit.

    A cluster at an end of its box that pushes outwards has no symmetric error, and a fixed one has
    none: NaN; the others are given that it stays there. One that data and prior leave free over its
    whole box has an infinite error; for the others it is spread evenly over the box. Where the
    curvature of all clusters together is not positive the fit is at no minimum, and every error is
    NaN.

    Args:
        experiment: the experiment.
        realisation: its number, -1 for the noise-free fit.

    Returns:
        Shape (cluster,) each, in the parameters' own units.

    Raises:
        ConfigError: all parameters but that with most clusters have more than `MOST_CLUSTERS`
            together; or as `sweep.statistics.fitted.fitted`.
    """
    return errors_of(fitted(experiment, realisation))


@jax_session()
def errors_of(fit: Fitted) -> dict[str, np.ndarray]:
    """`parameter_errors` of any fit.

    Raises:
        ConfigError: there are too many clusters.
    """
    names = fit.problem.model.names
    counts = [fit.params[p].shape[0] for p in names]
    if sum(counts) - max(counts) > MOST_CLUSTERS:
        counted = ", ".join(f"{n} of {p}" for n, p in zip(counts, names, strict=True))
        raise ConfigError(
            f"clusters: {counted}: errors need a dense matrix of all but the largest, made for at "
            f"most {MOST_CLUSTERS}; choose an experiment with fewer"
        )
    x, low, high = (_joined(part, names) for part in (fit.params, fit.low, fit.high))
    gradient, hessian = second_order(fit)
    width, diagonal = high - low, hessian.diagonal()
    held = held_by_box(x, gradient, low, high) | (width == 0)
    width = np.where(width > 0, width, np.inf)
    loose = diagonal <= NLL_TO_COVARIANCE / width**2
    evenly = NLL_TO_COVARIANCE * 12.0 / width**2  # of variance width^2 / 12
    hessian.setdiag(np.where(loose, evenly, diagonal))

    place = np.repeat(np.arange(len(counts)), counts)
    first = np.flatnonzero(~held & (place == np.argmax(counts)))
    others = np.flatnonzero(~held & (place != np.argmax(counts)))
    variance = np.full(x.shape, np.nan)
    variance[first], variance[others] = _diagonal_of_inverse(hessian, first, others)
    sigma = np.sqrt(NLL_TO_COVARIANCE * variance)
    free = ~np.isnan(sigma) & (loose | (sigma > width))
    parts = np.split(np.where(free, np.inf, sigma), np.cumsum(counts)[:-1])
    return dict(zip(names, parts, strict=True))


def described(errors: dict[str, np.ndarray]) -> list[str]:
    """One line a parameter: how large the errors are, and how many clusters have none."""
    return [_described(p, values) for p, values in errors.items()]


def _described(p: str, errors: np.ndarray) -> str:
    finite = errors[np.isfinite(errors)]
    text = f"error of {p}: "
    if finite.size:
        low, median, high = np.quantile(finite, [0.05, 0.5, 0.95])
        unit = KNOWN[p].unit_behind
        text += f"median {median:.3g}{unit}, 90 % within {low:.3g} and {high:.3g}{unit}, "
    text += f"{finite.size} of {errors.size} clusters"
    held, free = int(np.sum(np.isnan(errors))), int(np.sum(np.isinf(errors)))
    if held == errors.size:
        return text + "; it is fixed, all are held by their box, or the curvature is not positive"
    text += f"; {held} held by an end of their box" * bool(held)
    return text + f"; {free} free over their box" * bool(free)


@jax_session()
def second_order(fit: Fitted) -> tuple[np.ndarray, scipy.sparse.csr_array]:
    """Gradient and Hessian of NLL and penalty over the clusters of all parameters, in their order.

    Returns:
        Shapes (cluster,) and (cluster, cluster), in the parameters' own units.
    """
    model = fit.problem.model
    at = _derivatives(fit.problem, fit.rows, coordinates(fit.params, model))
    at = jax.tree.map(np.asarray, at)
    counts = [fit.params[p].shape[0] for p in model.names]
    total, offset = sum(counts), np.cumsum([0, *counts[:-1]])
    index = np.asarray(fit.problem.cells.flat_index) + offset[:, None]
    # to the parameters' own units, as in `sweep.problem.likelihood.expand`
    own = _joined(fit.params, model.names)[index]
    factor, bend = np.empty_like(own), np.empty_like(own)
    for i, p in enumerate(model.parameters):
        factor[i], bend[i] = p.coordinate.internal_derivatives(own[i])
    slope = at.gradient * factor

    values, places = list(at.gradient * bend), [(i, i) for i in index]
    for (i, j), of_rows in zip(triangle(len(index)), at.hessian, strict=True):
        values.append(of_rows * factor[i] * factor[j])
        places.append((index[i], index[j]))
        if i != j:
            values.append(values[-1])
            places.append((index[j], index[i]))
    hessian = scipy.sparse.coo_array(
        (np.concatenate(values), tuple(np.concatenate(k) for k in zip(*places, strict=True))),
        shape=(total, total),
    )
    gradient = np.bincount(index.ravel(), slope.ravel(), minlength=total)
    hessian = hessian.tocsr()
    if fit.prior is not None:
        of_prior = jax.grad(partial(penalty, fit.prior))(fit.params)
        known = {
            p: np.broadcast_to(curvature(fit.prior, p), fit.params[p].shape) for p in model.names
        }
        gradient = gradient + _joined(of_prior, model.names)
        hessian.setdiag(hessian.diagonal() + _joined(known, model.names))
    return gradient, hessian


def _joined(parts: dict, names: tuple[str, ...]) -> np.ndarray:
    return np.concatenate([np.asarray(parts[p]) for p in names])


def _diagonal_of_inverse(
    matrix: scipy.sparse.csr_array, first: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Diagonal of the inverse of the part of a matrix at `first` and `others`, in two pieces.

    Among `first` the matrix is diagonal. NaN where it is not positive definite.
    """
    pivot = np.asarray(matrix.diagonal()[first], float)
    coupling = matrix[first][:, others]
    scaled = scipy.sparse.diags_array(1.0 / pivot) @ coupling
    schur = (matrix[others][:, others] - coupling.T @ scaled).toarray()
    try:
        factor = scipy.linalg.cho_factor(schur, lower=True, overwrite_a=True)
    except scipy.linalg.LinAlgError:
        return np.full(first.size, np.nan), np.full(others.size, np.nan)
    inverse = scipy.linalg.cho_solve(factor, np.eye(others.size), overwrite_b=True)
    through = [
        scaled[k : k + _AT_A_TIME].multiply(scaled[k : k + _AT_A_TIME] @ inverse).sum(axis=1)
        for k in range(0, first.size, _AT_A_TIME)
    ]
    return 1.0 / pivot + np.concatenate([np.zeros(0), *through]), np.diag(inverse)
