"""r is found where it was put, and its interval means what it says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from sweep.cache import Cache, usual_cache
from sweep.errors import ConfigError
from sweep.sky.cmb import cmb_realisation, cmb_spectra
from sweep.spectra import harmonic_count, harmonics, multipoles, power
from sweep.statistics.residuals import Residuals
from sweep.statistics.tensor_ratio import (
    NUMBERS,
    Templates,
    bootstrap,
    estimate,
    spread,
    templates,
    tensor_ratio,
)

NSIDE = 16
NOISE = 2e-6
"""White, uK^2: about that of LiteBIRD after component separation."""


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return templates(NSIDE, Cache(tmp_path_factory.mktemp("cache")))


def noise() -> np.ndarray:
    return np.full(2 * NSIDE, NOISE)


def test_a_spectrum_that_is_expected_gives_its_r(spectra: Templates) -> None:
    for r in (-1e-4, 0.0, 1e-3, 0.1):
        seen = spectra.lensing + noise() + r * spectra.tensor
        assert estimate(seen, noise(), 0.6, spectra).r == pytest.approx(r, abs=1e-10)


def test_templates_have_the_beam_of_the_maps(tmp_path: Path, spectra: Templates) -> None:
    smooth = templates(NSIDE, Cache(tmp_path), fwhm=300.0)
    ell = multipoles(NSIDE)
    beam = hp.gauss_beam(np.radians(5.0), lmax=int(ell[-1]), pol=True)[ell, 2]  # B
    np.testing.assert_allclose(smooth.tensor, beam**2 * spectra.tensor)
    np.testing.assert_allclose(smooth.lensing, beam**2 * spectra.lensing)


def test_it_is_the_maximum_and_the_interval_of_the_likelihood(spectra: Templates) -> None:
    rng = np.random.default_rng(0)
    ell = multipoles(NSIDE)
    seen = (spectra.lensing + noise() + 2e-3 * spectra.tensor) * rng.gamma(ell, 1 / ell)

    def minus_log(r: float) -> float:
        model = spectra.lensing + noise() + r * spectra.tensor
        return 0.5 * 0.6 * float(np.sum((2 * ell + 1) * (seen / model + np.log(model))))

    found = estimate(seen, noise(), 0.6, spectra)
    best: Any = minimize_scalar(
        minus_log, bounds=(0, 0.02), method="bounded", options={"xatol": 1e-10}
    )
    assert found.r == pytest.approx(best.x, rel=1e-4)

    def share(low: float, high: float) -> float:
        return quad(lambda r: np.exp(best.fun - minus_log(r)), low, high, limit=200)[0]

    above, below = share(found.r, found.grid[-1]), share(found.grid[0], found.r)
    assert share(found.r, found.r + found.plus) / above == pytest.approx(0.68, abs=1e-4)
    assert share(found.r - found.minus, found.r) / below == pytest.approx(0.68, abs=1e-4)
    assert share(found.r, found.upper_95) / above == pytest.approx(0.95, abs=1e-4)
    assert share(0.0, found.limit_95) / share(0.0, found.grid[-1]) == pytest.approx(0.95, abs=1e-4)
    assert found.upper_68 == found.r + found.plus
    assert found.likelihood.max() == 1
    assert (np.diff(found.grid) > 0).all()
    assert found.likelihood[-1] < 1e-5


@pytest.mark.parametrize("r", [-5e-5, -1e-5, 0.0, 1e-4, 0.02])
def test_the_95_limit_is_one_sided_and_of_r_that_can_be(r: float, spectra: Templates) -> None:
    """The posterior with a flat prior on r >= 0, also where the likelihood peaks below 0."""
    seen = spectra.lensing + noise() + r * spectra.tensor
    found, ell = estimate(seen, noise(), 0.6, spectra), multipoles(NSIDE)

    def log(at: float) -> float:
        model = spectra.lensing + noise() + at * spectra.tensor
        return -0.5 * 0.6 * float(np.sum((2 * ell + 1) * (seen / model + np.log(model))))

    def share(low: float, high: float) -> float:
        peak = log(max(r, 0.0))
        return quad(lambda at: np.exp(log(at) - peak), low, high, limit=400, points=[max(r, 0.0)])[
            0
        ]

    top = found.limit_95 + 10 * (found.limit_95 - max(r, 0.0))
    assert share(0.0, found.limit_95) / share(0.0, top) == pytest.approx(0.95, abs=3e-4)
    assert found.limit_95 > max(found.r, 0.0)


@pytest.mark.parametrize("r", [0.0, 0.001, 0.004])
def test_on_simulations_it_is_unbiased_and_the_interval_holds(r: float, spectra: Templates) -> None:
    """Maps of the whole sky with noise, as a recovery without foreground mismatch leaves them."""
    lmax = 2 * NSIDE + 1
    cl = cmb_spectra(r, lmax, usual_cache())
    pixels = np.arange(hp.nside2npix(NSIDE))
    sigma = np.sqrt(NOISE / hp.nside2pixarea(NSIDE))
    found = []
    for seed in range(400):
        rng = np.random.default_rng(10**6 + seed)
        seen = cmb_realisation(cl, NSIDE, seed) + sigma * rng.standard_normal((2, pixels.size))
        bb = power(harmonics(seen, NSIDE, pixels)[1])
        # the last multipoles of a map of this resolution are not all there
        found.append(estimate(bb[:-2], noise()[:-2], 1.0, Templates(*(t[:-2] for t in spectra))))
    values = np.array([one.r for one in found])
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - r) < 3 * error
    inside = np.mean([one.r - one.minus < r < one.r + one.plus for one in found])
    assert abs(inside - 0.68) < 3 * np.sqrt(0.68 * 0.32 / len(found))


def residuals(seed: int, count: int, systematic: float) -> Residuals:
    rng = np.random.default_rng(seed)
    size = harmonic_count(NSIDE)

    def alms(*shape: int) -> np.ndarray:
        parts = rng.standard_normal((2, *shape, size)) * np.sqrt(NOISE * 0.6 / 2)
        return parts[0] + 1j * parts[1]

    s = systematic * alms()
    return Residuals("test", 0.6, np.arange(count), s + alms(count), s)


def test_a_systematic_residual_is_taken_for_r(spectra: Templates) -> None:
    none, some = (
        tensor_ratio(residuals(1, 10, level), spectra, "noise_free") for level in (0.0, 1.0)
    )
    assert none.r == pytest.approx(0, abs=1e-12)
    assert some.r > some.plus


def test_less_sky_leaves_a_wider_interval(spectra: Templates) -> None:
    """Of the same spectra, as the root of the number of modes."""
    whole = residuals(1, 10, 1.0)
    half = replace(whole, sky_fraction=0.3, alms=whole.alms / 2**0.5, noiseless=None)
    one, other = (tensor_ratio(x, spectra, "cross") for x in (replace(whole, noiseless=None), half))
    assert other.r == pytest.approx(one.r, rel=1e-6)
    assert other.plus == pytest.approx(2**0.5 * one.plus, rel=0.05)


def test_draws_lie_about_what_is_measured(spectra: Templates) -> None:
    one = drawn_anew(0, 3, 2.0)[0]
    measured = vars(tensor_ratio(one, spectra, "noise_free"))
    draws = bootstrap(one, spectra, "noise_free", 100)
    for name in ("r", "plus"):
        assert draws[name].mean() == pytest.approx(measured[name], rel=0.1), name


def drawn_anew(seed: int, count: int, level: float) -> tuple[Residuals, Residuals]:
    """Two experiments with fixed systematic parts, of which the second lets 1.3 times the noise in;
    `seed` changes the noise alone."""
    fixed = residuals(0, 1, 1.0).noiseless
    assert fixed is not None
    n = residuals(seed, count, 0.0).alms
    made = [
        Residuals("x", 0.6, np.arange(count), s + noise, s)
        for s, noise in ((level * fixed, n), (2 * level * fixed, 1.3 * n))
    ]
    return made[0], made[1]


@pytest.mark.parametrize("count", [2, *(pytest.param(n, marks=pytest.mark.soak) for n in (3, 5))])
def test_errors_are_those_of_other_realisations(spectra: Templates, count: int) -> None:
    """Of r, of its limit and of the difference of two experiments that share their noise."""

    def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        return {
            "r": one["r"],
            "upper_68": one["upper_68"],
            "delta": other["upper_68"] - one["upper_68"],
        }

    seen: list[dict[str, Any]] = []
    for seed in range(200):
        each = [vars(tensor_ratio(x, spectra, "noise_free")) for x in drawn_anew(seed, count, 0.5)]
        seen.append(differences(each[0], each[1]))
    said = []
    for seed in range(1000, 1100):
        draws = [bootstrap(x, spectra, "noise_free", 40) for x in drawn_anew(seed, count, 0.5)]
        said.append({k: spread(v) for k, v in differences(draws[0], draws[1]).items()})
    for name in seen[0]:
        scatter = np.std([one[name] for one in seen])
        error = np.sqrt(np.mean([one[name] ** 2 for one in said]))
        assert error == pytest.approx(scatter, rel=0.15), name


@pytest.mark.parametrize("level", [0.0, 2.0])
def test_errors_of_the_cross_estimate_are_rather_too_large(
    spectra: Templates, level: float
) -> None:
    """Where s is clear they are right; where there is none, up to twice what they should be."""
    seen, said = [], []
    for seed in range(150):
        one, _ = drawn_anew(seed, 6, level)
        seen.append(tensor_ratio(one, spectra, "cross").r)
        if seed < 60:
            said.append(spread(bootstrap(one, spectra, "cross", 60)["r"]))
    ratio = np.sqrt(np.mean(np.square(said))) / np.std(seen)
    assert (0.85 if level else 1.2) < ratio < (1.25 if level else 2.2)


def test_one_realisation_drawn_all_the_time_says_nothing_of_s(spectra: Templates) -> None:
    two = drawn_anew(0, 2, 1.0)[0]
    assert spread(bootstrap(two, spectra, "noise_free")["r"]) > 0
    assert np.isnan(spread(bootstrap(two, spectra, "cross")["r"]))


def test_bootstrap_draws_are_the_same_for_every_experiment(spectra: Templates) -> None:
    one = residuals(0, 6, 0.5)
    first, again = (bootstrap(one, spectra, "noise_free", 5, seed=3) for _ in range(2))
    assert first.keys() == set(NUMBERS)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    with pytest.raises(ConfigError, match="errors need two realisations, there is 1"):
        bootstrap(residuals(0, 1, 0.5), spectra, "noise_free")


def test_draws_without_a_likelihood_are_not_known(spectra: Templates) -> None:
    """Of three realisations without a noise-free fit some draws have no noise left somewhere."""
    one = residuals(4, 1, 0.0).alms[0]
    alms = 10 * one * np.array([1.0, 1.4, 1.0])[:, None]  # twice the first: more in common than all
    few = Residuals("few", 0.6, np.arange(3), alms, None)
    found = bootstrap(few, spectra, "cross", 100)["upper_68"]
    assert 0 < np.isnan(found).sum() < 100
    assert np.isnan(spread(found)) == (np.isnan(found).sum() >= 25)


def test_the_spread_is_that_of_the_known_draws() -> None:
    draws = np.append(np.arange(80.0), [np.nan] * 20)
    assert spread(draws) == pytest.approx(np.arange(80.0).std(ddof=1))
    assert np.isnan(spread(np.append(np.arange(75.0), [np.nan] * 25)))


def test_what_cannot_be_is_one_line(spectra: Templates) -> None:
    with pytest.raises(ConfigError, match="below what is known"):
        estimate(np.full(2 * NSIDE, -1.0), noise(), 0.6, spectra)
    with pytest.raises(ConfigError, match="not positive at every multipole"):
        estimate(noise(), -np.ones(2 * NSIDE), 0.6, spectra)


def test_templates_are_those_of_the_sky(spectra: Templates, tmp_path: Path) -> None:
    cl = cmb_spectra(0.3, 2 * NSIDE + 1, Cache(tmp_path))["bb"][2:]
    np.testing.assert_allclose(spectra.lensing + 0.3 * spectra.tensor, cl, rtol=1e-12)
