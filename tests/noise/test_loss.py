"""What is lost by weights, against dense algebra of all pixels together."""

from typing import Any

import numpy as np
import pytest

from sweep.noise.base import Noise, matrices
from sweep.noise.loss import Spectra, precision_lost
from sweep.noise.weights import EACH, weights_of

BANDS, PIXELS = 6, 12
RNG = np.random.default_rng(2)
SPECTRA = Spectra(RNG.uniform(0.5, 2.0, (3, BANDS)), RNG.normal(size=(2, BANDS)))


def noise_of(parts: int) -> Any:
    root = RNG.uniform(0.5, 2.0, (BANDS, parts, PIXELS))
    return Noise(None, RNG.uniform(0.5, 2.0, BANDS), root, None)


def dense(noise: Any, classes: int) -> np.ndarray:
    """Every band, Stokes parameter and pixel is a row; parameters and all amplitudes are fitted."""
    true = noise.sigma[:, None, None, None] * matrices(noise.root)
    stokes = true.shape[-1]
    covariance = true @ true.swapaxes(-1, -2)
    weights: Any = weights_of(noise, classes)
    used = np.broadcast_to(np.eye(stokes), true.shape) / weights.sigma[:, None, None, None]
    used = (
        used * matrices(weights.stokes[None])
        if stokes == 1
        else (matrices(weights.stokes[None]) @ used)
    )
    if weights.bands is not None:
        used = used * weights.bands[weights.label].T[..., None, None]
    size = BANDS * PIXELS * stokes
    shape = (BANDS, PIXELS, stokes)
    n, w = np.zeros((*shape, *shape)), np.zeros((*shape, *shape))
    for f in range(BANDS):
        for p in range(PIXELS):
            n[f, p, :, f, p] = covariance[f, p]
            w[f, p, :, f, p] = used[f, p].T @ used[f, p]
    n, w = n.reshape(size, size), w.reshape(size, size)
    components, parameters = len(SPECTRA.columns), len(SPECTRA.slopes)
    amplitudes = np.einsum("kf,pq,st->fpskqt", SPECTRA.columns, np.eye(PIXELS), np.eye(stokes))
    ratios = []
    by_stokes = [
        np.einsum("if,s->fsi", SPECTRA.slopes, one)[:, None].repeat(PIXELS, 1)
        for one in np.eye(stokes)
    ]
    # Q and U have independent amplitudes of the same size: information adds up
    best, fisher, score = np.zeros((3, parameters, parameters))
    a = amplitudes.reshape(size, -1)
    for slopes in by_stokes:
        j = slopes.reshape(size, parameters)
        for weight, target in ((np.linalg.inv(n), "best"), (w, "used")):
            inner = np.linalg.inv(a.T @ weight @ a)
            m = weight - weight @ a @ inner @ a.T @ weight
            if target == "best":
                best += j.T @ m @ j
            else:
                fisher += j.T @ m @ j
                score += j.T @ m @ n @ m @ j
    inverse = np.linalg.inv(fisher)
    ratios = np.diagonal(np.linalg.inv(best)) / np.diagonal(inverse @ score @ inverse)
    back = np.linalg.inv(a.T @ w @ a) @ a.T @ w
    first = slice(0, PIXELS * stokes)  # the CMB's amplitudes
    cmb_used = np.trace((back @ n @ back.T)[first, first])
    cmb_best = np.trace(np.linalg.inv(a.T @ np.linalg.inv(n) @ a)[first, first])
    assert components * PIXELS * stokes == a.shape[1]
    return 1 - np.array([*ratios, cmb_best / cmb_used])


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("classes", [1, 2])
def test_it_is_that_of_dense_algebra(parts: int, classes: int) -> None:
    noise = noise_of(parts)
    lost = precision_lost(noise, weights_of(noise, classes), SPECTRA)
    assert lost.min() > 0.01
    np.testing.assert_allclose(lost, dense(noise, classes), rtol=1e-8)


def test_nothing_is_lost_where_every_pixel_has_its_own_weights() -> None:
    noise = noise_of(1)
    assert precision_lost(noise, weights_of(noise, EACH), SPECTRA).max() < 1e-12


def test_more_classes_lose_less() -> None:
    pixels = np.linspace(0, 1, 400)
    root = np.exp(np.outer(np.linspace(-1, 1, BANDS), pixels**2))[:, None]
    noise = Noise(None, np.ones(BANDS), root, None)
    lost = [precision_lost(noise, weights_of(noise, n), SPECTRA).max() for n in (1, 2, 4, 8)]
    assert all(later < 0.5 * sooner for sooner, later in zip(lost[:-1], lost[1:], strict=True))


def test_what_bands_share_is_one_class() -> None:
    root = np.outer(RNG.uniform(1, 2, BANDS), RNG.uniform(1, 2, PIXELS))[:, None]
    noise = Noise(None, np.ones(BANDS), root, None)
    for classes in (1, 4, EACH):
        weights = weights_of(noise, classes)
        assert weights.bands is None
        np.testing.assert_allclose(weights.sigma[:, None] / weights.stokes, root[:, 0], rtol=1e-12)
