"""The posterior of r beside other amplitudes, against plain integrals."""

from dataclasses import replace

import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.statistics.amplitudes import Priors, amplitudes
from sweep.statistics.bandpowers import Bandpowers

MODES = np.array([60.0, 150.0, 400.0, 1500.0])
TENSOR = np.array([80.0, 25.0, 4.0, 0.2])
RESIDUAL = np.array([0.5, 0.2, 0.05, 0.01])


def model(fiducial_r: float = 0.0, simulations: int = 1_000_000) -> Bandpowers:
    """Bands with so many modes; noise and E modes are a tenth of lensing."""
    mean = 1.2 + fiducial_r * TENSOR
    return Bandpowers(
        edges=np.array([5, 11, 17, 30, 60]),
        e_modes=np.full(4, 0.1),
        lensing=np.ones(4),
        tensor=TENSOR,
        noise=np.full(4, 0.1),
        residual=RESIDUAL,
        fiducial=mean,
        covariance=np.diag(2 * mean**2 / MODES),
        simulations=simulations,
        splits=1,
        seen=1.0,
    )


def log_likelihood(observed: np.ndarray, r: float, lens: float, residual: float) -> float:
    """Of power with so many modes, exactly: a gamma distribution in each band."""
    mean = 0.2 + lens + r * TENSOR + residual * RESIDUAL
    if (mean <= 0).any():
        return -np.inf
    return float(-0.5 * np.sum(MODES * (observed / mean + np.log(mean) - np.log(observed) - 1)))


OBSERVED = 1.2 + 0.004 * TENSOR + np.array([0.1, -0.05, 0.03, 0.01])


def test_of_independent_bands_it_is_the_exact_likelihood() -> None:
    found = amplitudes(OBSERVED, model(), Priors()).ratio
    exact = np.array([log_likelihood(OBSERVED, r, 1.0, 0.0) for r in found.grid])
    np.testing.assert_allclose(found.likelihood, np.exp(exact - exact.max()), atol=2e-3)
    fine = np.linspace(found.grid[0], found.grid[-1], 20_001)
    density = np.exp([log_likelihood(OBSERVED, r, 1.0, 0.0) for r in fine])
    top = fine[density.argmax()]
    assert found.r == pytest.approx(top, abs=2e-5)
    above = fine >= top
    share = np.cumsum(density[above]) / density[above].sum()
    assert found.plus == pytest.approx(np.interp(0.68, share, fine[above]) - top, rel=0.01)
    positive = fine >= 0
    share = np.cumsum(density[positive]) / density[positive].sum()
    assert found.limit_95 == pytest.approx(np.interp(0.95, share, fine[positive]), rel=0.01)


def test_other_amplitudes_are_integrated_out() -> None:
    found = amplitudes(OBSERVED, model(), Priors(lensing=0.2, residual=None))
    lens, residual = np.linspace(0.0, 2.0, 101), np.linspace(0, 4, 101)
    weight = np.exp(-0.5 * ((lens - 1) / 0.2) ** 2)
    plain = []
    for r in found.ratio.grid[::40]:
        density = [[log_likelihood(OBSERVED, r, a, f) for f in residual] for a in lens]
        plain.append(float(np.sum(weight[:, None] * np.exp(density))))
    expected = np.array(plain) / max(plain)
    mine = found.ratio.likelihood[::40] / found.ratio.likelihood[::40].max()
    np.testing.assert_allclose(
        mine, expected, atol=0.03
    )  # of many bands this likelihood is approximate
    wider = found.ratio.plus + found.ratio.minus
    fixed = amplitudes(OBSERVED, model(), Priors()).ratio
    assert wider > 1.1 * (fixed.plus + fixed.minus)
    assert 0 < found.lensing[1] < 0.2
    assert found.residual[0] > 0


def test_a_template_takes_what_is_residual_from_r() -> None:
    observed = 1.2 + RESIDUAL
    without = amplitudes(observed, model(), Priors()).ratio
    known = amplitudes(observed, model(), Priors(residual=1.0)).ratio
    assert without.r == pytest.approx(0.006, abs=0.002)
    assert known.r == pytest.approx(0.0, abs=1e-5)


def test_intervals_cover_at_a_fiducial_that_is_not_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth, inside, values = 0.01, 0, []
    for _ in range(300):
        power = (1.2 + truth * TENSOR) * rng.chisquare(MODES) / MODES
        ratio = amplitudes(power, model(), Priors()).ratio
        inside += ratio.r - ratio.minus <= truth <= ratio.r + ratio.plus
        values.append(ratio.r)
    assert abs(inside / 300 - 0.68) < 3 * np.sqrt(0.68 * 0.32 / 300)
    assert abs(np.mean(values) - truth) < 3 * np.std(values) / np.sqrt(300)


def test_few_simulations_make_it_wider_or_are_refused() -> None:
    many = amplitudes(OBSERVED, model(), Priors()).ratio
    few = amplitudes(OBSERVED, model(simulations=20), Priors()).ratio
    assert few.plus > many.plus
    with pytest.raises(ConfigError, match="7 simulations for 4 bands: their covariance needs 8"):
        amplitudes(OBSERVED, model(simulations=7), Priors())


def test_negative_power_and_priors_are_refused() -> None:
    with pytest.raises(ConfigError, match="observed power is negative"):
        amplitudes(-OBSERVED, model(), Priors())
    with pytest.raises(ConfigError, match="prior of A_lens = -1: must be at least 0"):
        Priors(lensing=-1.0)
    with pytest.raises(ConfigError, match="prior of A_residual = -1: must be at least 0"):
        Priors(residual=-1.0)


def test_where_r_is_all_that_there_is_to_see_it_may_be_negative() -> None:
    low = replace(model(), noise=np.full(4, 0.5))
    ratio = amplitudes(np.full(4, 1.15), low, Priors()).ratio
    assert ratio.r < 0 < ratio.limit_95


def test_the_limit_is_of_positive_r_even_where_all_else_is_far_below() -> None:
    far = amplitudes(np.full(4, 0.6), model(), Priors()).ratio
    assert far.grid[-1] < 0
    fine = np.linspace(0, 0.02, 20_001)
    log = np.array([log_likelihood(np.full(4, 0.6), r, 1.0, 0.0) for r in fine])
    share = np.cumsum(np.exp(log - log.max()))
    expected = np.interp(0.95, share / share[-1], fine)
    assert far.limit_95 == pytest.approx(expected, rel=0.2)
