from typing import Any

import healpy as hp
import numpy as np
import pytest
from matplotlib.patches import StepPatch

from sweep.errors import ConfigError
from sweep.plots import plot_histograms
from tests.plots.looks import check_layout

NPIX = hp.nside2npix(8)


def maps(centre: float, width: float, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(centre, width, NPIX)
    values[:100] = hp.UNSEEN
    return values


TRUTH = {"beta_dust": maps(1.54, 0.05, 1), "temp_dust": maps(20.0, 2.0, 2)}
FITTED = {"beta_dust": maps(1.5, 0.1, 3), "temp_dust": maps(21.0, 1.0, 4)}


def test_shares_and_pairs_of_the_kept_pixels(figures: list[Any]) -> None:
    plot_histograms(FITTED, TRUTH, "a.png")  # pyright: ignore[reportArgumentType]
    figure = figures[0]
    panels, bar = np.array(figure.axes[:4]).reshape(2, 2), figure.axes[4]
    assert [axes.get_xlabel() for axes in panels[0]] == [
        r"$\beta_\mathrm{d}$",
        r"$T_\mathrm{d}$  [K]",
    ]
    assert panels[0, 0].get_ylabel() == "share of the pixels"
    assert panels[1, 1].get_xlabel() == r"true $T_\mathrm{d}$  [K]"
    assert panels[1, 1].get_ylabel() == r"recovered $T_\mathrm{d}$  [K]"
    assert bar.get_ylabel() == "pixels"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["true", "recovered"]
    for column, parameter in zip(panels.T, TRUTH, strict=True):
        true, fitted = TRUTH[parameter][100:], FITTED[parameter][100:]
        steps = [p.get_data() for p in column[0].patches if isinstance(p, StepPatch)]
        (shares, edges, _), (fit_shares, _, _) = steps
        assert edges[0] <= true.min()
        assert edges[-1] >= true.max()
        assert shares.sum() == pytest.approx(1.0)
        expected = np.histogram(fitted, edges)[0] / fitted.size
        np.testing.assert_allclose(fit_shares, expected)
        assert 0.98 < expected.sum() <= 1.0
        pairs = np.asarray(column[1].collections[0].get_array().filled(0.0))
        expected, _, _ = np.histogram2d(true, fitted, (edges, edges))
        np.testing.assert_array_equal(np.nan_to_num(pairs).reshape(40, 40), expected.T)
    check_layout(figure)


def test_without_truth_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ConfigError, match="no maps of its true parameters"):
        plot_histograms(FITTED, {}, "a.png")  # pyright: ignore[reportArgumentType]


def test_one_value_everywhere_has_a_width(figures: list[Any]) -> None:
    flat = {"beta_dust": np.full(NPIX, 1.5)}
    plot_histograms(flat, flat, "a.png")  # pyright: ignore[reportArgumentType]
    assert figures[0].axes[0].get_xlim() == (1.0, 2.0)
