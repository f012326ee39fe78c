from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

import sweep
from sweep.errors import ConfigError
from sweep.plots import plot_counts
from sweep.plots.metrics import metric_table
from sweep.plots.style import COLOURS
from sweep.results import read_residuals
from sweep.statistics.rankings import templates_of
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.types import Status
from tests.plots.looks import bars, check_layout, colour, converged, ends, legend_texts, many, xy


def test_the_picture_is_a_png_with_something_on_it(small_store: Path, tmp_path: Path) -> None:
    path = plot_counts(sweep.open(small_store), tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 600
    assert 0.01 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.5


def test_the_ending_chooses_the_format(small_store: Path, tmp_path: Path) -> None:
    path = plot_counts(sweep.open(small_store), tmp_path / "a.pdf")
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["a.nonsense", "missing/a.png"])
def test_a_picture_that_cannot_be_written_is_named(
    name: str, small_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="picture .* cannot be written") as caught:
        plot_counts(sweep.open(small_store), tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", ["cmb_variance", "nll", "r"])
def test_without_a_usable_fit_there_is_nothing_to_plot(
    metric: str, small_store: Path, tmp_path: Path
) -> None:
    ds = sweep.open(small_store).isel(realisation=[0])  # the noise-free slot
    if metric == "r":
        ds["status"] = xr.zeros_like(ds["status"])
    with pytest.raises(ConfigError, match="nothing to plot"):
        plot_counts(ds, tmp_path / "a.png", metric=metric)
    assert not (tmp_path / "a.png").exists()


def test_lines_are_the_statistics(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_counts(ds, "a.png")
    left, right = figures[0].axes
    assert left.get_xlabel() == r"number of $\beta_\mathrm{d}$ clusters"
    assert right.get_xlabel() == r"number of $\beta_\mathrm{s}$ clusters"
    assert left.get_ylabel() == "variance of the recovered CMB  [µK²]"
    table: Any = summary(ds)
    lines = bars(left)
    assert len(lines) == 4  # two other counts and two solvers; where only one point was run, too
    drawn = np.concatenate([xy(line)[1] for line in lines])
    np.testing.assert_array_equal(np.sort(drawn), np.sort(table["cmb_variance"]))
    chosen = (table["clusters.beta_pl"] == 1) & (table["solver.max_steps"] == 20)
    line = lines[0]
    np.testing.assert_allclose(xy(line)[0], [1, 2], rtol=0.03)
    np.testing.assert_array_equal(xy(line)[1], table["cmb_variance"][chosen])
    error = table["cmb_variance_error"][chosen].to_numpy()
    np.testing.assert_allclose(np.diff(ends(line))[:, 0], 2 * error)
    assert [t.get_text() for t in left.get_xticklabels()] == ["1", "2"]
    assert legend_texts(left) == [
        *(r"number of $\beta_\mathrm{s}$ clusters", "1", "2"),
        *("solver.max_steps", "2", "20"),
        "open: some fits not converged",
    ]


def test_nll_is_above_the_lowest_of_the_same_data(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_counts(ds, "a.png", metric="nll")
    drawn = np.concatenate([xy(line)[1] for line in bars(figures[0].axes[0])])
    nll = summary(ds)["nll"]
    np.testing.assert_allclose(np.sort(drawn), np.sort(nll - nll.min()), atol=1e-6)
    assert figures[0].axes[0].get_ylabel() == "mean NLL above the lowest"
    noisier = ds.assign_coords({"noise.ratio": ("experiment", [1.0, 1.0, 1.0, 2.0, 2.0, 2.0])})
    table = metric_table(noisier, "nll")
    first, second = nll[:3], nll[3:]
    expected = np.concatenate([first - first.min(), second - second.min()])
    np.testing.assert_allclose(table["value"], expected, atol=1e-6)
    ranked = best(ds.isel(experiment=[0, 1, 2]), "nll", converged=0)
    for label, row in ranked.iterrows():
        np.testing.assert_equal(table["low"][label], row["delta_to_best_error"])


def test_r_has_its_interval(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_counts(ds, "a.png", metric="r")
    residuals = read_residuals(ds, 0)
    ratio = tensor_ratio(residuals, templates_of(residuals), "cross")
    line = bars(figures[0].axes[0])[0]
    assert xy(line)[1, 0] == pytest.approx(ratio.r, rel=1e-12)
    expected = [ratio.r - ratio.minus, ratio.r + ratio.plus]
    np.testing.assert_allclose(ends(line)[0], expected, rtol=1e-12)


def test_one_panel_a_mask(ds: xr.Dataset, figures: list[Any]) -> None:
    masks = np.array(["GAL020"] * 4 + ["GAL040"] * 4, dtype=object).tolist()
    two = many(
        ds,
        8,
        mask__expression=masks,
        clusters__beta_dust=[1, 2, 4, 8] * 2,
        clusters__beta_pl=[1] * 8,
    )
    plot_counts(converged(two), "a.png")
    upper, lower = figures[0].axes
    assert [axes.get_title("left") for axes in (upper, lower)] == ["mask GAL020", "mask GAL040"]
    assert all(len(bars(axes)) == 1 for axes in (upper, lower))
    assert upper.get_legend() is None
    assert [t.get_text() for t in upper.get_xticklabels()] == ["1", "2", "4", "8"]


def test_forty_experiments_do_not_make_forty_entries(ds: xr.Dataset, figures: list[Any]) -> None:
    """A grid of many values gets a colour bar; many names are cut."""
    grid = many(
        ds, 40, clusters__beta_dust=[1, 2, 4, 8] * 10, clusters__beta_pl=sorted([*range(10)] * 4)
    )
    plot_counts(converged(grid), "a.png")
    left, right, bar = figures[0].axes
    assert len(bars(left)) == 10
    assert left.get_legend() is None
    assert bar.get_xlabel() == r"number of $\beta_\mathrm{s}$ clusters"
    assert len({colour(line[0]) for line in bars(left)}) == 10
    assert legend_texts(right)[1:] == ["1", "2", "4", "8"]
    check_layout(figures[0])
    names = many(ds, 40, noise__seed=[f"s{i}" for i in range(40)], clusters__beta_dust=[1, 2] * 20)
    plot_counts(names, "a.png")
    assert all(len(legend_texts(axes)) <= 2 * 9 + 1 for axes in figures[1].axes)
    assert "and 33 more" in legend_texts(figures[1].axes[0])
    check_layout(figures[1])


def solved(ds: xr.Dataset, **more: list) -> xr.Dataset:
    """Two solvers at four counts, the second with fits that did not converge."""
    names = np.array(["newton"] * 4 + ["adam"] * 4, dtype=object).tolist()
    both = many(ds, 8, solver=names, clusters__beta_dust=[1, 2, 4, 8] * 2, **more)
    status = np.full(both["status"].shape, int(Status.CONVERGED))
    status[4:] = int(Status.MAX_STEPS)
    return both.assign(status=(both["status"].dims, status))


def opened(axes: Axes) -> list[Line2D]:
    """Open markers over the lines."""
    return [line for line in axes.lines if to_hex(line.get_markerfacecolor()) == "#ffffff"]


def test_colour_is_the_solver_and_not_its_settings(ds: xr.Dataset, figures: list[Any]) -> None:
    steps = [10, 20] * 4
    both = solved(ds, clusters__beta_pl=[1] * 8, solver__max_steps=steps)
    plot_counts(both, "a.png")
    lines = bars(figures[0].axes[0])
    assert len(lines) == 4  # two solvers, two settings of each
    assert {colour(line[0]) for line in lines[:2]} == {COLOURS[0].lower()}
    assert {colour(line[0]) for line in lines[2:]} == {COLOURS[1].lower()}
    assert len({line[0].get_linestyle() for line in lines}) == 2
    texts = legend_texts(figures[0].axes[0])
    assert texts[:2] == ["newton", "adam"]
    assert texts[2:5] == ["solver.max_steps", "10", "20"]


def test_fits_that_did_not_converge_look_open(ds: xr.Dataset, figures: list[Any]) -> None:
    both = solved(ds, clusters__beta_pl=[1] * 8)
    plot_counts(both, "a.png")
    axes = figures[0].axes[0]
    (line,) = opened(axes)
    adam = bars(axes)[1]
    np.testing.assert_array_equal([line.get_xdata(), line.get_ydata()], xy(adam))
    assert line.get_color() == adam[0].get_color()
    assert "open: some fits not converged" in legend_texts(axes)
    plot_counts(converged(both), "a.png")
    assert not opened(figures[1].axes[0])
    assert "open: some fits not converged" not in legend_texts(figures[1].axes[0])


def test_r_is_open_where_the_noise_free_fit_did_not_converge(ds: xr.Dataset) -> None:
    status = np.full(ds["status"].shape, int(Status.CONVERGED))
    status[2, list(ds["realisation"].values).index(-1)] = int(Status.MAX_STEPS)
    one = ds.assign(status=(ds["status"].dims, status))
    assert metric_table(one, "r")["unconverged"].tolist() == [i == 2 for i in range(6)]
    assert not metric_table(one, "cmb_variance")["unconverged"].any()


def test_a_single_count_has_an_axis(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_counts(many(ds, 2, clusters__beta_dust=[40] * 2, clusters__beta_pl=[4] * 2), "a.png")
    axes = figures[0].axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["20", "40", "80"]


def test_multires_has_nsides(ds: xr.Dataset, figures: list[Any]) -> None:
    multires = ds.assign_coords(
        {
            "clusters": ("experiment", np.array(["multires"] * 6, dtype=object)),
            "clusters.beta_dust": ("experiment", [0, 1, 2, 4, 8, 16]),
        }
    )
    plot_counts(multires, "a.png")
    axes = figures[0].axes[0]
    assert axes.get_xlabel() == r"nside of $\beta_\mathrm{d}$ clusters"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2", "4", "8", "16"]


def test_clusters_from_files_have_no_counts(ds: xr.Dataset) -> None:
    names = [f"clusters.{p}" for p in ("beta_dust", "temp_dust", "beta_pl")]
    with pytest.raises(ConfigError, match="clusters from files have no counts"):
        plot_counts(ds.drop_vars(names), "a.png")
