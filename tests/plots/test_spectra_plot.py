from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.plots import plot_spectra
from sweep.results import read_residuals
from sweep.spectra import multipoles
from sweep.statistics.rankings import templates_of
from tests.plots.looks import check_layout, legend_texts


def test_residuals_lensing_and_tensor_modes(ds: xr.Dataset, figures: list[Any]) -> None:
    residuals = read_residuals(ds, 0)
    templates = templates_of(residuals)
    plot_spectra(residuals, templates, "a.png", estimator="noise_free")
    (axes,) = figures[0].axes
    assert axes.get_xlabel() == r"multipole $\ell$"
    assert "[µK²]" in axes.get_ylabel()
    assert legend_texts(axes) == [
        *("total residual", "systematic residual, noise-free", "statistical residual"),
        *("systematic residual, cross", "lensing"),
        *("tensor, $r = 10^{-3}$", r"tensor, $r = 4 \times 10^{-3}$"),
    ]
    ell = multipoles(4)
    scale = ell * (ell + 1) / (2 * np.pi)
    found = residuals.spectra("noise_free")
    cross = residuals.spectra("cross").systematic
    shown = np.where(cross > 0, cross, np.nan)
    expected = [found.total, found.systematic, found.statistical, shown, templates.lensing]
    expected += [1e-3 * templates.tensor, 4e-3 * templates.tensor]
    for line, power in zip(axes.lines, expected, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), ell)
        np.testing.assert_allclose(line.get_ydata(), scale * power, rtol=1e-12)
    title = axes.get_title("left")
    assert title.startswith(f"{residuals.label}; 3 realisations")
    assert "0.60" in title
    check_layout(figures[0])


def test_power_below_zero_is_counted(ds: xr.Dataset, figures: list[Any]) -> None:
    """Without a noise-free fit the systematic part is a difference, and may be negative."""
    from dataclasses import replace

    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 52)) + 1j * rng.normal(size=(4, 52))
    like = read_residuals(ds, 0)
    numbers = np.arange(4)
    pure = replace(like, realisations=numbers, alms=noise * 1e-3, noiseless=None)
    found = pure.spectra("cross").systematic
    below = np.count_nonzero(found <= 0)
    assert 0 < below < found.size
    plot_spectra(pure, templates_of(like), "a.png", estimator="cross", name="pure noise")
    (axes,) = figures[0].axes
    assert legend_texts(axes)[1] == f"systematic residual, cross\n({below} multipoles below 0)"
    assert np.count_nonzero(np.isnan(np.asarray(axes.lines[1].get_ydata()))) == below
    assert axes.get_title("left").startswith("pure noise; 4 realisations")


@pytest.mark.parametrize(("ratio", "text"), [(0.01, "10^{-2}"), (3e-4, r"3 \times 10^{-4}")])
def test_other_ratios(ratio: float, text: str, ds: xr.Dataset, figures: list[Any]) -> None:
    residuals = read_residuals(ds, 0)
    plot_spectra(residuals, templates_of(residuals), "a.png", estimator="cross", ratios=[ratio])
    assert legend_texts(figures[0].axes[0])[-1] == f"tensor, $r = {text}$"
