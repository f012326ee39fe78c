"""B-mode band powers behind a window: what theory and simulations say that they are.

Every part of the sky goes through the same window and bands, so that nothing has to be deconvolved:
lensing and tensor modes by Gaussian simulations, with what the window leaves of E modes; noise and
residual foregrounds by the residuals of simulated fits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.beams import window
from sweep.cache import Cache
from sweep.pure_b import Window, pure_b
from sweep.sky.cmb import cmb_realisation, cmb_spectra
from sweep.spectra import LOWEST, multipoles, power
from sweep.statistics.kept import array_digest

VERSION = 1
"""Of the simulations: raise it with any change to what they give."""

FIRST, GROWTH, NARROWEST = 5, 1.25, 6
"""The lowest multipole of a band, the ratio of its ends, and the fewest multipoles."""


def band_edges(nside: int) -> np.ndarray:
    """First multipoles of all bands, and the end of the last one.

    Below the first one a window of some degrees leaves too little to be of use.
    """
    end = int(multipoles(nside)[-1]) + 1
    edges = [min(FIRST, end - 1)]
    while edges[-1] < end:
        edges.append(min(end, max(edges[-1] + NARROWEST, round(edges[-1] * GROWTH))))
    if len(edges) > 2 and edges[-1] - edges[-2] < NARROWEST:
        del edges[-2]
    return np.array(edges)


def banded(spectra: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean power of each band, shape (..., band), by the number of modes of a multipole."""
    modes = 2 * np.arange(edges[0], edges[-1]) + 1
    starts = edges[:-1] - edges[0]
    inside = spectra[..., edges[0] - LOWEST : edges[-1] - LOWEST]
    return np.add.reduceat(inside * modes, starts, axis=-1) / np.add.reduceat(modes, starts)


@dataclass(frozen=True)
class Skies:
    """Simulated skies behind a window, as pure B coefficients, shape (simulation, harmonic).

    Attributes:
        e_modes: what is seen of E modes of lensed scalar modes, which is not theirs.
        lensing: of B modes of lensing.
        tensor: of tensor modes at r = 1.
    """

    e_modes: np.ndarray
    lensing: np.ndarray
    tensor: np.ndarray

    def __len__(self) -> int:
        return len(self.lensing)

    def of(self, r: float, lensing: float = 1.0) -> np.ndarray:
        """The CMB at a tensor-to-scalar ratio and an amplitude of lensing."""
        return self.e_modes + np.sqrt(lensing) * self.lensing + np.sqrt(r) * self.tensor


def simulated_skies(
    seen: Window,
    count: int,
    seed: int,
    cache: Cache,
    fwhm: float = 0.0,
    done: Callable[[], None] = lambda: None,
) -> Skies:
    """Gaussian skies of CAMB's spectra, as `sweep.sky.cmb` draws them, kept by content.

    Args:
        seen: the window.
        count: how many.
        seed: of all of them.
        cache: keeps spectra and coefficients.
        fwhm: beam of the maps, arcmin; 0 for none.
        done: called after each that was not kept.
    """
    lmax = 2 * seen.nside + 1
    beam = window(fwhm, lmax) ** 2 if fwhm else np.ones(lmax + 1)
    spectra = {
        r: {field: beam * power for field, power in cmb_spectra(r, lmax, cache).items()}
        for r in (0.0, 1.0)
    }
    scalar = spectra[0.0]
    tensor = {field: spectra[1.0][field] - scalar[field] for field in ("ee", "bb")}
    nothing = np.zeros_like(scalar["ee"])
    of = {
        "e_modes": {"ee": scalar["ee"], "bb": nothing},
        "lensing": {"ee": nothing, "bb": scalar["bb"]},
        "tensor": tensor,
    }

    def made() -> dict[str, np.ndarray]:
        found: dict[str, Any] = {name: [] for name in of}
        for number in range(count):
            for part, (name, given) in enumerate(of.items()):
                address = np.random.SeedSequence(seed, spawn_key=(number, part))
                sky = cmb_realisation(given, seen.nside, address)[:, seen.pixels]
                found[name].append(pure_b(sky, seen.pixels, seen).astype(np.complex64))
            done()
        return {name: np.stack(each) for name, each in found.items()}

    key = {
        "version": VERSION,
        "pixels": array_digest(seen.pixels),
        "window": array_digest(seen.spin_0),
        "spectra": array_digest(np.stack([each[f] for each in of.values() for f in each])),
        "count": count,
        "seed": seed,
    }
    return Skies(**cache.get("pure-b-skies", key, made))


@dataclass(frozen=True)
class Bandpowers:
    """What band powers are on average, and how they scatter, uK_CMB^2.

    The mean at r, A_lens and A_residual is e_modes + A_lens lensing + r tensor + noise
    + A_residual residual, each of shape (band,).

    Attributes:
        edges: first multipoles of the bands and the end of the last, shape (band + 1,).
        e_modes: what is left of E modes.
        lensing: of lensing.
        tensor: at r = 1.
        noise: of the statistical residual; of several splits, the power of one map that would
            scatter as much as their cross power, which is added to that.
        residual: of the systematic residual, which is what a template of it holds.
        fiducial: the mean of the simulations that `covariance` is of.
        covariance: of band powers, with what is not known of the noise, shape (band, band).
        simulations: how many it is of.
        splits: how many maps are observed.
        seen: share of the power behind the window.
    """

    edges: np.ndarray
    e_modes: np.ndarray
    lensing: np.ndarray
    tensor: np.ndarray
    noise: np.ndarray
    residual: np.ndarray
    fiducial: np.ndarray
    covariance: np.ndarray
    simulations: int
    splits: int
    seen: float

    def mean(
        self, r: float | np.ndarray, lensing: float | np.ndarray, residual: float | np.ndarray
    ) -> np.ndarray:
        """The mean at parameters that broadcast, shape (..., band)."""
        parts = ((r, self.tensor), (lensing, self.lensing), (residual, self.residual))
        known = self.e_modes + self.noise
        return known + sum(np.asarray(a, float)[..., None] * power for a, power in parts)

    @property
    def r_of_residual(self) -> float:
        """What the systematic residual would be taken for by a model without it."""
        weights = np.linalg.solve(self.covariance, self.tensor)
        return float(weights @ self.residual / (weights @ self.tensor))

    def observed(self, alms: np.ndarray) -> np.ndarray:
        """Band powers of a sky, of several splits the mean of the cross powers of all pairs.

        Args:
            alms: pure B coefficients, shape (split, ..., harmonic).

        Returns:
            uK_CMB^2, shape (..., band).
        """
        return _observed(alms, self.edges, self.seen, self.noise)


def bandpowers(
    skies: Skies,
    residuals: np.ndarray,
    seen: Window,
    *,
    splits: int = 1,
    fiducial_r: float = 0.0,
    template: bool = True,
    seed: int = 0,
) -> Bandpowers:
    """Band powers of one sky with noise, or the mean cross power of several with the same sky.

    Args:
        skies: simulated ones behind the window.
        residuals: pure B coefficients of recovered minus true CMB of simulated fits, whose noise
            differs, at least 2 more than splits, shape (fit, harmonic).
        seen: the window.
        splits: how many maps of the same sky with noise of their own are observed; of more than
            one only cross powers are taken, which no noise adds to.
        fiducial_r: at which band powers scatter as `covariance` says.
        template: whether the systematic residual is part of the simulations.
        seed: of the noise of the simulations.
    """
    edges, count = band_edges(seen.nside), len(residuals)

    def of(alms: np.ndarray) -> np.ndarray:
        return banded(power(alms), edges) / seen.power

    common = residuals.mean(axis=0)
    scatter = residuals - common
    whole = of(scatter).sum(axis=0) / (count - 1)
    noise = whole / np.sqrt(splits * (splits - 1)) if splits > 1 else whole
    rng = np.random.default_rng(seed)
    noises = noise_like(scatter, len(skies), rng, splits)
    sky = skies.of(fiducial_r) + (common if template else 0.0)
    simulated = _observed(sky + noises, edges, seen.power, noise)
    # what simulated noise and residuals are on average is known from so many fits only
    mean = noises[0] / np.sqrt(count)
    unknown = of(noises[0]) / np.sqrt(count) if splits == 1 else np.zeros_like(simulated)
    if template:
        unknown = unknown + of(common + mean) - of(mean)
    covariance = np.cov(simulated, rowvar=False) + np.cov(unknown, rowvar=False)
    return Bandpowers(
        edges=edges,
        e_modes=of(skies.e_modes).mean(axis=0),
        lensing=of(skies.lensing).mean(axis=0),
        tensor=of(skies.tensor).mean(axis=0),
        noise=noise,
        residual=of(common) - whole / count,
        fiducial=simulated.mean(axis=0),
        covariance=covariance,
        simulations=len(skies),
        splits=splits,
        seen=seen.power,
    )


def noise_like(
    scatter: np.ndarray, count: int, rng: np.random.Generator, splits: int = 1
) -> np.ndarray:
    """As many draws as one likes of the noise of a few, shape (split, count, harmonic).

    They are sums with weights of unit length that add up to nothing, of splits at right angles: of
    Gaussian noise such sums are other draws, free of the mean and of each other. Any other length
    or angle would be one factor at all multipoles.

    Args:
        scatter: of each minus their mean, at least 2 more than splits, shape (draw, harmonic).
        count: how many.
        rng: of the weights.
        splits: draws at a time that do not know of each other.
    """
    weights = rng.normal(size=(count, len(scatter), splits))
    weights -= weights.mean(axis=1, keepdims=True)
    return np.moveaxis(np.linalg.qr(weights).Q, -1, 0) @ scatter


def _observed(alms: np.ndarray, edges: np.ndarray, seen: float, noise: np.ndarray) -> np.ndarray:
    if len(alms) == 1:
        return banded(power(alms[0]), edges) / seen
    count = len(alms)
    own = np.mean([power(each) for each in alms], axis=0)
    cross = (count * power(alms.mean(axis=0)) - own) / (count - 1)
    return banded(cross, edges) / seen + noise
