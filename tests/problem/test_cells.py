"""Cells: which pixels go together, and that their sums lose nothing the likelihood needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep.problem.cells import PIXELS_A_CELL, TILE, bucket, group, reduce

INVERSE_SIGMA = jnp.array([0.5, 2.0, 1.0, 3.0])
BASIS = [INVERSE_SIGMA / jnp.linalg.norm(INVERSE_SIGMA)]


def random_labels(n_pixels, *counts):
    rng = np.random.default_rng(4)
    return [rng.permutation(np.arange(n_pixels) % n) for n in counts]


def over_noise(maps):
    return INVERSE_SIGMA[:, None, None] * jnp.asarray(maps)


def whitened_without_cmb(maps):
    """Shape (frequency, stokes, pixel), by plain algebra."""
    weight = np.asarray(INVERSE_SIGMA)
    projector = np.eye(weight.size) - np.outer(weight, weight) / (weight @ weight)
    return np.einsum("fg,gsp->fsp", projector, weight[:, None, None] * maps)


@pytest.mark.parametrize("form", ["cells", "pixels"])
@pytest.mark.parametrize("n_pixels", [7, 1000])
def test_a_row_has_the_clusters_of_its_pixels(form, n_pixels):
    labels = random_labels(n_pixels, 6, 3, 2)
    cells = group(labels, form)
    assert cells.form == form
    of_pixels = np.asarray(cells.flat_index)[:, np.asarray(cells.row)]
    np.testing.assert_array_equal(of_pixels, labels)
    used = np.unique(cells.row)
    assert used.size == (n_pixels if form == "pixels" else np.unique(labels, axis=1).shape[1])
    assert cells.index.shape[2] == TILE
    assert cells.lengths[0] == cells.index[0].size >= used.size


def test_the_data_of_a_pixel_are_in_its_row():
    maps = np.random.default_rng(1).normal(0, 30, (4, 2, 300))
    labels = random_labels(300, 300, 300, 300)
    cells = group(labels, "pixels")
    rows = reduce(cells, BASIS, over_noise(maps))
    found = np.moveaxis(np.asarray(rows.data), 0, 2).reshape(4, 2, -1)[..., np.asarray(cells.row)]
    np.testing.assert_allclose(found, whitened_without_cmb(maps), rtol=1e-12, atol=1e-9)


def test_a_cell_is_the_sum_of_its_pixels_and_what_fills_up_is_empty():
    maps = np.random.default_rng(1).normal(0, 30, (4, 2, 1000))
    cells = group(random_labels(1000, 6, 3, 2), "cells")
    rows = reduce(cells, BASIS, over_noise(maps))
    d = whitened_without_cmb(maps)
    expected = np.zeros((cells.lengths[0], 4, 4))
    np.add.at(expected, np.asarray(cells.row), np.einsum("fsp,gsp->pfg", d, d))
    found = np.moveaxis(np.asarray(rows.data), 3, 1).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * expected.max())
    empty = np.setdiff1d(np.arange(cells.lengths[0]), cells.row)
    assert empty.size > 0
    assert not found[empty].any()


@pytest.mark.parametrize("form", ["cells", "pixels"])
def test_the_power_is_that_of_the_data(form):
    maps = np.random.default_rng(1).normal(0, 30, (4, 2, 300))
    rows = reduce(group(random_labels(300, 6, 3, 2), form), BASIS, over_noise(maps))
    power = np.sum(whitened_without_cmb(maps) ** 2)
    np.testing.assert_allclose(np.sum(rows.power), power, rtol=1e-12)
    total = np.sum((np.asarray(INVERSE_SIGMA)[:, None, None] * maps) ** 2)
    np.testing.assert_allclose(rows.total, total, rtol=1e-12)


@pytest.mark.parametrize("form", ["cells", "pixels"])
def test_rows_know_nothing_of_the_cmb(form):
    rng = np.random.default_rng(1)
    maps, cmb = rng.normal(0, 30, (4, 2, 300)), rng.normal(0, 100, (2, 300))
    cells = group(random_labels(300, 6, 3, 2), form)
    without, with_cmb = (reduce(cells, BASIS, over_noise(m)) for m in (maps, maps + cmb))
    size = float(jnp.max(jnp.abs(without.data)))
    np.testing.assert_allclose(with_cmb.data, without.data, rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize(
    ("cells_of_a_thousand", "form"),
    [(1, "cells"), (454, "cells"), (500, "pixels"), (1000, "pixels")],
)
def test_cells_are_made_where_they_pay(cells_of_a_thousand, form):
    assert (1000 / cells_of_a_thousand >= PIXELS_A_CELL) == (form == "cells")
    labels = [np.arange(1000) % cells_of_a_thousand, np.zeros(1000, int), np.zeros(1000, int)]
    assert group(labels).form == form


def test_on_an_accelerator_all_rows_are_one_tile(monkeypatch):
    labels = random_labels(1000, 6, 3, 2)
    monkeypatch.setattr(jax, "default_backend", lambda: "an accelerator")
    cells = group(labels, "pixels")
    assert cells.index.shape[1] == 1
    assert cells.index.shape[2] == cells.lengths[0] >= 1000


def test_like_counts_share_lengths():
    lengths = [bucket(n) for n in (1, 1024, 1025, 2048, 2049, 4096, 4097)]
    assert lengths == [1024, 1024, 2048, 2048, 4096, 4096, 8192]
    grown = [bucket(n) for n in range(1, 20_000)]
    assert grown == sorted(grown)
    assert all(n <= length for n, length in enumerate(grown, start=1))
    assert len(set(grown)) == 6


def test_a_grid_of_a_hundred_points_takes_a_handful_of_programs():
    pixel = np.arange(30_000)
    programs = set()
    for beta_dust in (100, 500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10000):
        for coarse in (1, 10, 50, 100, 150, 200, 300, 350, 400, 500):
            labels = [pixel * beta_dust // 30_000, pixel * coarse // 30_000, pixel * 7 // 30_000]
            cells = group(labels)
            programs.add((cells.form, cells.index.shape, cells.lengths))
    assert len(programs) <= 6
