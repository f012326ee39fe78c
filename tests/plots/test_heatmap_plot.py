from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.patches import Rectangle

from sweep.errors import ConfigError
from sweep.plots import plot_heatmap
from sweep.plots.heatmap import _MOST_NUMBERS
from sweep.statistics.summary import summary
from sweep.types import Status
from tests.plots.looks import check_layout, converged, many


def cells(axes: Axes) -> np.ma.MaskedArray:
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    return np.ma.array(mesh.get_array())


def framed(axes: Axes) -> tuple[float, float]:
    (frame,) = [p for p in axes.patches if isinstance(p, Rectangle) and not p.get_hatch()]
    return frame.get_xy()


def test_cells_are_the_best_of_each_pair(ds: xr.Dataset, figures: list[Any]) -> None:
    ds = converged(ds)
    plot_heatmap(ds, "a.png")
    axes, bar = figures[0].axes
    table: Any = summary(ds)
    best = table.groupby(["clusters.beta_pl", "clusters.beta_dust"])["cmb_variance"].min()
    np.testing.assert_array_equal(cells(axes), best.unstack())
    assert axes.get_xlabel() == r"number of $\beta_\mathrm{d}$ clusters"
    assert axes.get_ylabel() == r"number of $\beta_\mathrm{s}$ clusters"
    assert axes.get_title("left") == "lowest over solver.max_steps"
    assert bar.get_ylabel() == "variance of the recovered CMB  [µK²]"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2"]
    row, column = np.unravel_index(np.argmin(best.unstack()), (2, 2))
    assert framed(axes) == (column, row)
    # digits tell cells apart
    assert len({text.get_text() for text in axes.texts}) == 4
    written = [float(text.get_text()) for text in axes.texts]
    np.testing.assert_allclose(written, best, atol=(best.max() - best.min()) / 100)


def test_cells_show_converged_fits_and_are_hatched_without(
    ds: xr.Dataset, figures: list[Any]
) -> None:
    """Of the first pair of counts the second experiment converged, of the last none."""
    table: Any = summary(ds)
    here = (table["clusters.beta_dust"] == 1) & (table["clusters.beta_pl"] == 1)
    first = np.flatnonzero(here)
    assert len(first) == 2
    values = table["cmb_variance"].to_numpy()
    through = first[np.argmax(values[first])]  # the higher one
    last = (table["clusters.beta_dust"] == 2) & (table["clusters.beta_pl"] == 2)
    stopped = last.to_numpy() | (here.to_numpy() & (np.arange(6) != through))
    status = np.where(stopped, int(Status.MAX_STEPS), int(Status.CONVERGED))
    known = np.broadcast_to(status[:, None], ds["status"].shape)
    plot_heatmap(ds.assign(status=(ds["status"].dims, known)), "a.png")
    axes = figures[0].axes[0]
    assert cells(axes)[0, 0] == values[through]
    hatched = [p.get_xy() for p in axes.patches if p.get_hatch()]
    assert hatched == [(1.0, 1.0)]
    texts = [t.get_text() for t in figures[0].legends[0].get_texts()]
    assert texts == ["hatched: some fits not converged"]
    assert axes.get_title("left").startswith("lowest converged over")
    assert framed(axes) != (1.0, 1.0)
    check_layout(figures[0])


def test_points_of_fits_that_did_not_converge_are_open(ds: xr.Dataset, figures: list[Any]) -> None:
    search = many(ds, 40, clusters__beta_dust=[*range(1, 41)], clusters__beta_pl=[*range(41, 81)])
    status = np.full(search["status"].shape, int(Status.CONVERGED))
    status[::4] = int(Status.MAX_STEPS)
    plot_heatmap(search.assign(status=(search["status"].dims, status)), "a.png")
    points, best = figures[0].axes[0].collections
    dust = np.asarray(points.get_offsets())[:, 0]
    white = (points.get_facecolor() == 1.0).all(axis=1)
    np.testing.assert_array_equal(white, dust % 4 == 1)
    assert np.asarray(best.get_offsets())[0, 0] % 4 != 1
    texts = [t.get_text() for t in figures[0].legends[0].get_texts()]
    assert texts == ["open: some fits not converged"]


def test_what_was_not_run_stays_grey(ds: xr.Dataset, figures: list[Any]) -> None:
    plot_heatmap(ds.isel(experiment=[0, 1, 2]), "a.png")
    (axes, _) = figures[0].axes
    assert np.ma.getmaskarray(cells(axes)).tolist() == [[False, False], [False, True]]
    assert len(axes.texts) == 3
    check_layout(figures[0])


def test_a_random_search_is_drawn_as_points(ds: xr.Dataset, figures: list[Any]) -> None:
    rng = np.random.default_rng(3)
    dust = rng.permutation(np.arange(1, 200))[:40].tolist()
    pl = rng.permutation(np.arange(1, 100))[:40].tolist()
    search = many(ds, 40, clusters__beta_dust=dust, clusters__beta_pl=pl)
    plot_heatmap(search, "a.png")
    axes = figures[0].axes[0]
    points, best = axes.collections
    offsets = {tuple(xy) for xy in np.asarray(points.get_offsets()).tolist()}
    assert offsets == set(zip(dust, pl, strict=True))
    table = summary(ds)
    converged = table["converged"] == table["realisations"]
    lowest = int(table["cmb_variance"].where(converged | ~converged.any()).argmin())
    assert tuple(np.asarray(best.get_offsets())[0]) in list(zip(dust, pl, strict=True))[lowest::6]
    check_layout(figures[0])


def test_many_cells_have_no_numbers(ds: xr.Dataset, figures: list[Any]) -> None:
    side = 12
    grid = many(
        ds,
        side**2,
        clusters__beta_dust=np.repeat(2 ** np.arange(side), side).tolist(),
        clusters__beta_pl=np.tile(2 ** np.arange(side), side).tolist(),
    )
    assert side**2 > _MOST_NUMBERS
    plot_heatmap(grid, "a.png")
    assert cells(figures[0].axes[0]).shape == (side, side)
    assert not figures[0].axes[0].texts
    check_layout(figures[0])


def test_one_panel_a_mask(ds: xr.Dataset, figures: list[Any]) -> None:
    masks = np.array(["GAL020"] * 4 + ["GAL040"] * 4, dtype=object).tolist()
    two = many(
        ds,
        8,
        mask__expression=masks,
        clusters__beta_dust=[1, 1, 2, 2] * 2,
        clusters__beta_pl=[1, 2] * 4,
    )
    plot_heatmap(two, "a.png")
    titles = [axes.get_title("left") for axes in figures[0].axes[:2]]
    assert titles == ["mask GAL020", "mask GAL040"]
    check_layout(figures[0])


def test_one_count_makes_no_heat_map(ds: xr.Dataset) -> None:
    one = ds.isel(experiment=[0, 1])
    with pytest.raises(ConfigError, match="needs two swept cluster counts, there is 1"):
        plot_heatmap(one, "a.png")
