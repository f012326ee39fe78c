"""r of recovered CMB maps, as one would get it from real data: no true CMB is needed of these.

What noise and residual foregrounds add is known from simulated fits of the same clusters and
solver: the other realisations of the store, or those of a store of simulations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from sweep.cache import usual_cache
from sweep.errors import ConfigError
from sweep.pure_b import Window, pure_b, window
from sweep.spectra import harmonic_count
from sweep.statistics.amplitudes import Amplitudes, Priors, amplitudes
from sweep.statistics.bandpowers import Bandpowers, Skies, bandpowers, simulated_skies
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.halves import halves
from sweep.statistics.kept import content_of, kept
from sweep.statistics.pairs import antithetic
from sweep.statistics.recovered import check_data, kept_pixels, recovered_cmb
from sweep.statistics.residuals import beam_of
from sweep.statistics.zones import check_disjoint, check_shared

LEAST = 20
"""Simulated fits, at least, that say what noise and residuals add."""

APODISATION, SKIES = 10.0, 1000
"""Degrees of the window's edge, and simulated skies."""


@dataclass(frozen=True)
class Observations:
    """Recovered maps of experiments on disjoint masks, as one sky behind a window.

    Attributes:
        labels: of the experiments.
        seen: the window.
        fwhm: beam of the maps, arcmin; 0 without.
        realisations: numbers of the fits with noise that are usable in all of them, (realisation,).
        recovered: pure B coefficients of the recovered CMB, uK_CMB, (realisation, harmonic).
        residuals: of recovered minus true CMB; None where the true CMB is not known.
        same_sky: whether all realisations have the same CMB.
        pairs: whether their noise comes in pairs, see `sweep.statistics.pairs`.
        true_r: that the CMB was drawn with; None where it is not known.
    """

    labels: tuple[str, ...]
    seen: Window
    fwhm: float
    realisations: np.ndarray
    recovered: np.ndarray
    residuals: np.ndarray | None
    same_sky: bool
    pairs: bool
    true_r: float | None

    @property
    def draws(self) -> np.ndarray:
        """Which draw of noise each realisation has, whatever its sign, shape (realisation,)."""
        return self.realisations // 2 if self.pairs else self.realisations

    def skies(
        self, count: int = SKIES, seed: int = 0, done: Callable[[], None] = lambda: None
    ) -> Skies:
        """Simulated skies behind this window and beam; `done` is called after each that is made."""
        return simulated_skies(self.seen, count, seed, usual_cache(), self.fwhm, done)

    def at(self, numbers: Sequence[int]) -> np.ndarray:
        """Where realisations stand.

        Raises:
            ConfigError: one of them is not there.
        """
        for number in numbers:
            if number not in self.realisations:
                raise ConfigError(
                    f"realisation {number} has no usable fit in all of {', '.join(self.labels)}"
                )
        return np.searchsorted(self.realisations, numbers)


def observations(views: Sequence[ExperimentView], apodisation: float = APODISATION) -> Observations:
    """The recovered maps of experiments on disjoint masks.

    Args:
        views: the experiments, one a mask.
        apodisation: degrees over which the window falls to zero inside the edge of all masks.

    Raises:
        ConfigError: masks overlap, experiments see different skies, they share no realisation, or
            maps cannot be had, as `sweep.statistics.recovered` says.
    """
    check_shared(views)
    check_disjoint(views)
    shared = np.sort(reduce(np.intersect1d, [view.noisy for view in views]))
    if not shared.size:
        raise ConfigError("the experiments have no usable realisation in common")
    pixels = [kept_pixels(view) for view in views]
    order = np.argsort(np.concatenate(pixels))
    whole = np.concatenate(pixels)[order]
    conf = views[0].configuration
    seen = window(conf.sky.nside, whole, apodisation)

    def made() -> dict[str, np.ndarray]:
        given = [_maps(view, shared) for view in views]
        recovered = np.concatenate([cmb for cmb, _ in given], axis=-1)[..., order]
        found = {"recovered": pure_b(recovered, whole, seen)}
        truths = [truth for _, truth in given if truth is not None]
        if len(truths) == len(given):
            truth = np.concatenate(truths, axis=-1)[..., order]
            found["residuals"] = pure_b(recovered - truth, whole, seen)
        return found

    key = {
        "experiments": [content_of(view, shared) for view in views],
        "apodisation": apodisation,
    }
    found = kept("pure-b", key, made)
    assert found["recovered"].shape == (len(shared), harmonic_count(conf.sky.nside))
    sky: Any = conf.sky
    return Observations(
        labels=tuple(view.label for view in views),
        seen=seen,
        fwhm=beam_of(views[0]),
        realisations=shared,
        recovered=found["recovered"],
        residuals=found.get("residuals"),
        pairs=bool(antithetic(views[0].ds)[views[0].position]),
        same_sky=not getattr(sky, "cmb_realisations", False),
        true_r=getattr(sky, "r", None),
    )


def observed_r(
    sky: Observations,
    observed: Sequence[int],
    skies: Skies,
    priors: Priors,
    simulations: Observations | None = None,
) -> tuple[Amplitudes, Bandpowers]:
    """R of one realisation, or of several of the same sky by their cross spectra.

    Args:
        sky: what was observed.
        observed: numbers of the realisations; those of several are splits.
        skies: simulated CMB behind the same window.
        priors: of the other amplitudes.
        simulations: of the same experiments; the other realisations of `sky` by default.

    Returns:
        What the band powers say, and what they are on average.

    Raises:
        ConfigError: there are too few simulated fits, or their true CMB is not known; several
            realisations do not have the same sky; or as `amplitudes`.
    """
    at = sky.at(observed)
    if len(observed) > 1 and not sky.same_sky:
        raise ConfigError(
            "observe one realisation: each has a CMB of its own (sky.cmb_realisations), which "
            "cross spectra cannot have in common"
        )
    if simulations is None:
        draws = sky.draws
        residuals = _residuals_of(sky, ~np.isin(draws, draws[at]))
    else:
        residuals = _residuals_of(simulations, np.ones(len(simulations.realisations), bool))
    (found,), model = answers(sky.recovered[at][:, None], residuals, skies, sky.seen, priors)
    return found, model


def r_of_each(sky: Observations, skies: Skies, priors: Priors) -> list[tuple[int, Amplitudes]]:
    """R of every realisation by itself; noise and residuals are those of the other half.

    Raises:
        ConfigError: as `observed_r`.
    """
    first, second = halves(np.unique(sky.draws))
    found = []
    for observed, simulated in ((first, second), (second, first)):
        residuals = _residuals_of(sky, np.isin(sky.draws, simulated))
        which = np.isin(sky.draws, observed)
        each, _ = answers(sky.recovered[which][None], residuals, skies, sky.seen, priors)
        found += zip(sky.realisations[which].tolist(), each, strict=True)
    return found


def answers(
    alms: np.ndarray, residuals: np.ndarray, skies: Skies, seen: Window, priors: Priors
) -> tuple[list[Amplitudes], Bandpowers]:
    """What each of some skies says that have one r.

    Band powers scatter as at r = 0 first, then as at the mean of what was found.

    Args:
        alms: pure B coefficients, shape (split, sky, harmonic).
        residuals: of simulated fits, shape (fit, harmonic).
        skies: simulated CMB.
        seen: the window.
        priors: of the other amplitudes.
    """

    def at(ratio: float) -> tuple[list[Amplitudes], Bandpowers]:
        model = bandpowers(
            skies,
            residuals,
            seen,
            splits=len(alms),
            fiducial_r=ratio,
            template=priors.residual != 0,
        )
        return [amplitudes(observed, model, priors) for observed in model.observed(alms)], model

    found, model = at(0.0)
    ratio = float(np.mean([each.ratio.r for each in found]))
    return at(ratio) if ratio > 0 else (found, model)


def _residuals_of(sky: Observations, which: np.ndarray) -> np.ndarray:
    if sky.residuals is None:
        raise ConfigError(
            "the true CMB of the simulated fits is not known (sky.truth): give --simulations, a "
            "store of fits of simulated skies with the same clusters and solver"
        )
    # of a pair one: the two have the same draw
    numbers, first = np.unique(sky.draws[which], return_index=True)
    if len(numbers) < LEAST:
        raise ConfigError(
            f"{len(numbers)} simulated fits say what noise adds, {LEAST} are needed: "
            "run it with more noise.realisations"
        )
    return sky.residuals[which][first]


def _maps(view: ExperimentView, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Recovered and true CMB of the kept pixels."""
    from sweep.assemble.data import true_cmb  # imports jax

    wanted = numbers.tolist()
    check_data(view, wanted)
    return recovered_cmb(view, wanted), true_cmb(view.configuration, tuple(wanted))
