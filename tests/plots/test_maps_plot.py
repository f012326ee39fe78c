from typing import Any

import healpy as hp
import numpy as np
import pytest
from healpy.projector import MollweideProj
from matplotlib.colors import to_hex

from sweep.plots import plot_clusters, plot_cmb, plot_parameters, plot_residuals
from sweep.plots.maps import neighbour_colours
from sweep.plots.style import GREY, HATCH
from sweep.statistics.maps import ResidualMaps
from tests.plots.looks import check_layout

NSIDE = 8
NPIX = hp.nside2npix(NSIDE)
OUTSIDE = np.arange(NPIX // 3, 2 * NPIX // 3)


def masked(values: np.ndarray) -> np.ndarray:
    values = np.array(values, dtype=float)
    values[..., OUTSIDE] = hp.UNSEEN
    return values


def drawn(figure: Any, text: str) -> tuple[Any, Any]:
    """The image whose colour bar has a label, and its colour bar."""
    bars = [axes for axes in figure.axes if axes.get_xlabel() == text]
    assert len(bars) == 1, [axes.get_xlabel() for axes in figure.axes]
    (found,) = [
        axes.images[0]
        for axes in figure.axes
        if axes.images and axes.images[0].colorbar.ax is bars[0]
    ]
    return found, bars[0]


PARAMETERS = {
    "beta_dust": masked(np.linspace(1.4, 1.6, NPIX)),
    "temp_dust": masked(np.linspace(15.0, 25.0, NPIX)),
    "beta_pl": masked(np.linspace(-3.2, -2.8, NPIX)),
}


def test_every_pixel_is_where_healpy_has_it(figures: list[Any]) -> None:
    plot_parameters(PARAMETERS, "a.png")  # pyright: ignore[reportArgumentType]
    shown, _ = drawn(figures[0], r"recovered $\beta_\mathrm{d}$")
    array: Any = np.ma.array(shown.get_array())
    projector = MollweideProj(xsize=array.shape[1])
    assert array.shape == (array.shape[1] // 2, array.shape[1])
    longitude = hp.pix2ang(NSIDE, np.arange(NPIX), lonlat=True)[0]
    inner = np.flatnonzero(np.abs(longitude - 180.0) > 10.0)  # not on the rim
    seen = np.setdiff1d(inner, OUTSIDE)
    for pixel in seen[:: len(seen) // 23]:
        i, j = projector.xy2ij(*projector.vec2xy(*hp.pix2vec(NSIDE, pixel)))
        assert array[i, j] == PARAMETERS["beta_dust"][pixel]
    # UNSEEN and the corners outside the sphere are left out; below the first there is grey
    i, j = projector.xy2ij(*projector.vec2xy(*hp.pix2vec(NSIDE, OUTSIDE[50])))
    assert np.ma.is_masked(array[i, j])
    assert np.ma.is_masked(array[0, 0])
    disk = shown.axes.patches[0]
    assert to_hex(disk.get_facecolor()) == to_hex(GREY)
    assert disk.get_zorder() < shown.get_zorder()


def test_truth_and_fit_share_colours_and_errors_do_not(figures: list[Any]) -> None:
    truth = {p: v.copy() for p, v in PARAMETERS.items()}
    fitted = {p: np.where(v == hp.UNSEEN, v, v + 0.1) for p, v in PARAMETERS.items()}
    errors = {p: masked(np.linspace(0.01, 0.05, NPIX)) for p in PARAMETERS}
    errors["beta_pl"][:] = hp.UNSEEN  # no error is known
    plot_parameters(fitted, "a.png", truth=truth, errors=errors)  # pyright: ignore[reportArgumentType]
    figure = figures[0]
    assert sum(bool(axes.images) for axes in figure.axes) == 9
    for symbol in (r"$\beta_\mathrm{d}$", r"$T_\mathrm{d}$  [K]", r"$\beta_\mathrm{s}$"):
        true, _ = drawn(figure, f"true {symbol}")
        fit, _ = drawn(figure, f"recovered {symbol}")
        error, _ = drawn(figure, f"error of {symbol}")
        assert (true.norm.vmin, true.norm.vmax) == (fit.norm.vmin, fit.norm.vmax)
        assert error.norm.vmax != fit.norm.vmax
    assert drawn(figure, r"recovered $\beta_\mathrm{d}$")[0].colorbar.extend == "max"
    check_layout(figure)


def test_signed_maps_are_symmetric_about_zero(figures: list[Any]) -> None:
    rng = np.random.default_rng(0)
    pixels = np.setdiff1d(np.arange(NPIX), OUTSIDE)
    kept = len(pixels)
    found = ResidualMaps(
        nside=NSIDE,
        pixels=pixels,
        realisations=3,
        mean=rng.normal(0.5, 0.1, (2, kept)),
        noiseless=rng.normal(0.3, 0.1, (2, kept)),
        statistical=rng.uniform(0.01, 0.02, (2, kept)),
        total=rng.uniform(0.3, 0.6, (2, kept)),
        variances={},
    )
    plot_residuals(found, "a.png")
    unit = "[µK]"
    for k, stokes in enumerate("QU"):
        signed, _ = drawn(figures[0], f"systematic residual, ${stokes}$  {unit}")
        assert signed.norm.vmin == -signed.norm.vmax
        assert signed.get_cmap().name == "RdBu_r"
        sizes, _ = drawn(figures[0], f"statistical scatter, ${stokes}$  {unit}")
        assert sizes.get_cmap().name == "viridis"
        assert sizes.norm.vmin > 0
        shown = np.ma.array(signed.get_array()).compressed()
        assert np.isin(shown, found.noiseless[k]).all()  # pyright: ignore[reportOptionalSubscript]
    check_layout(figures[0])
    plot_cmb(masked(rng.normal(size=(2, NPIX))), "a.png")
    first, _ = drawn(figures[1], f"recovered CMB, $Q$  {unit}")
    second, _ = drawn(figures[1], f"recovered CMB, $U$  {unit}")
    assert first.norm.vmax == -first.norm.vmin == second.norm.vmax
    check_layout(figures[1])


def test_without_a_noise_free_fit_the_mean_is_called_mean(figures: list[Any]) -> None:
    pixels = np.arange(NPIX)
    rng = np.random.default_rng(1)
    parts = {k: rng.normal(size=(2, NPIX)) for k in ("mean", "statistical", "total")}
    found = ResidualMaps(NSIDE, pixels, 5, noiseless=None, variances={}, **parts)
    plot_residuals(found, "a.png")
    labels = [axes.get_xlabel().replace("\n", " ") for axes in figures[0].axes]
    assert "mean of 5 residuals (1/5 of the noise), $Q$  [µK]" in labels
    assert not any("systematic" in label for label in labels)
    check_layout(figures[0])


def test_maps_of_a_fit_that_did_not_converge_are_hatched(figures: list[Any]) -> None:
    truth = {p: v.copy() for p, v in PARAMETERS.items()}
    note = "not converged"
    plot_parameters(PARAMETERS, "a.png", truth=truth, note=note)  # pyright: ignore[reportArgumentType]
    plot_parameters(PARAMETERS, "a.png", truth=truth)  # pyright: ignore[reportArgumentType]
    plot_cmb(np.stack([PARAMETERS["beta_dust"]] * 2), "a.png", note=note)
    hatches = [
        [any(p.get_hatch() == HATCH for p in axes.patches) for axes in figure.axes if axes.images]
        for figure in figures
    ]
    assert hatches == [[False, True] * 3, [False] * 6, [True] * 2]
    for figure, texts in zip(figures, (["hatched: not converged"], [], None), strict=True):
        found = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
        assert texts is None or found == texts
        check_layout(figure)


@pytest.mark.parametrize("count", [1, 3, 50, 500])
def test_clusters_side_by_side_differ(count: int, figures: list[Any]) -> None:
    rng = np.random.default_rng(count)
    vectors = np.stack(hp.pix2vec(NSIDE, np.arange(NPIX)))
    centres = vectors[:, rng.choice(NPIX, count, replace=False)]
    labels = np.unique(np.argmax(centres.T @ vectors, axis=0), return_inverse=True)[1]
    kept = np.setdiff1d(np.arange(NPIX), OUTSIDE)
    _, labels[kept] = np.unique(labels[kept], return_inverse=True)
    labels = masked(labels)
    colours = neighbour_colours(labels)
    assert ((colours == hp.UNSEEN) == (labels == hp.UNSEEN)).all()
    for cluster in range(int(labels[kept].max()) + 1):
        assert len(np.unique(colours[labels == cluster])) == 1
    beside = hp.get_all_neighbours(NSIDE, kept)[::2]
    valid = (beside >= 0) & (labels[beside] != hp.UNSEEN)
    differ = valid & (labels[beside] != labels[kept])
    assert not (differ & (colours[beside] == colours[kept])).any()
    if count > 1:
        assert differ.any()
        return
    plot_clusters({"beta_dust": labels, "beta_pl": labels}, "a.png")
    titles = [axes.get_title() for axes in figures[0].axes]
    assert titles == [r"$\beta_\mathrm{d}$: 1 cluster", r"$\beta_\mathrm{s}$: 1 cluster"]
    check_layout(figures[0])
