"""Maps on the sphere, and residuals free of the noise in a mean."""

from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.data import build_sky
from sweep.assemble.setup import build
from sweep.errors import ConfigError
from sweep.results import cmb_maps, parameter_maps, residual_maps, true_parameter_maps
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import cluster_maps, sphere
from sweep.testing.small import run, small
from tests.problems import PARAMETERS

NSIDE = 8


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("maps") / "a.zarr"
    words = ("sky.nside=8", "mask.expression=GAL060", "noise.noiseless=true", "store.maps=float64")
    run([small(*words, "noise.realisations=3", store=store)])
    return store


@pytest.fixture
def ds(path: Path) -> xr.Dataset:
    return sweep.open(path)


def test_the_sphere_is_unseen_where_nothing_is_known() -> None:
    full = sphere(np.array([1.0, np.nan, 3.0]), np.array([0, 4, 7]), 1)
    assert full.tolist() == [1.0, *[hp.UNSEEN] * 6, 3.0, *[hp.UNSEEN] * 4]
    assert sphere(np.zeros((2, 5, 3)), np.arange(3), 4).shape == (2, 5, 192)


def test_clusters_and_parameters_lie_where_they_were_fitted(ds: xr.Dataset) -> None:
    setup = build(ExperimentView(ds, 0).configuration)
    labels, values = cluster_maps(ExperimentView(ds, 0)), parameter_maps(ds, 0, 1)
    for p in PARAMETERS:
        kept = labels[p][setup.mask.pixels]
        np.testing.assert_array_equal(kept, setup.clusters.labels[p])
        stored = ds[p].values[0, list(ds["realisation"].values).index(1)]
        np.testing.assert_array_equal(values[p][setup.mask.pixels], stored[kept.astype(int)])
        assert (labels[p][~setup.mask.keep] == hp.UNSEEN).all()
        assert (values[p][~setup.mask.keep] == hp.UNSEEN).all()


def test_the_truth_is_that_of_the_sky_inside_the_mask(ds: xr.Dataset) -> None:
    setup = build(ExperimentView(ds, 0).configuration)
    for p, values in true_parameter_maps(ds, 0).items():
        np.testing.assert_array_equal(values[setup.mask.keep], setup.sky.truth[p][setup.mask.keep])
        assert (values[~setup.mask.keep] == hp.UNSEEN).all()


def test_the_variance_of_the_map_is_the_one_in_the_store(ds: xr.Dataset) -> None:
    keep = build(ExperimentView(ds, 0).configuration).mask.keep
    for i, number in enumerate(ds["realisation"].values):
        q, u = cmb_maps(ds, 0, int(number))[:, keep]
        assert q.var() + u.var() == pytest.approx(float(ds["cmb_variance"][0, i]), rel=1e-12)


def residuals(ds: xr.Dataset) -> dict[int, np.ndarray]:
    truth = build_sky(ExperimentView(ds, 0).configuration).cmb
    keep = build(ExperimentView(ds, 0).configuration).mask.keep
    return {int(n): (cmb_maps(ds, 0, int(n)) - truth)[:, keep] for n in ds["realisation"].values}


def test_residuals_with_a_noise_free_fit(ds: xr.Dataset) -> None:
    found, r = residual_maps(ds, 0), residuals(ds)
    noisy = np.stack([r[n] for n in range(3)])
    assert found.realisations == 3
    assert found.noiseless is not None
    np.testing.assert_allclose(found.systematic, r[-1], atol=1e-13)
    np.testing.assert_allclose(found.mean, noisy.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(found.statistical**2, ((noisy - r[-1]) ** 2).mean(axis=0))
    np.testing.assert_allclose(found.total**2, (noisy**2).mean(axis=0))
    each = (noisy - r[-1]).var(axis=-1).sum(axis=-1)
    assert found.variances["statistical"] == pytest.approx(each.mean())
    assert found.variances["systematic"] == pytest.approx(r[-1].var(axis=-1).sum())
    stored = ds["residual_variance"].values[0]
    assert found.variances["total"] == pytest.approx(stored[ds["realisation"] >= 0].mean())
    assert found.variances["systematic"] == pytest.approx(stored[ds["realisation"] < 0][0])


def test_without_one_the_mean_is_freed_of_its_noise(ds: xr.Dataset) -> None:
    found = residual_maps(ds.isel(realisation=ds["realisation"].values >= 0), 0)
    noisy = np.stack([residuals(ds)[n] for n in range(3)])
    assert found.noiseless is None
    np.testing.assert_allclose(found.systematic, noisy.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(found.statistical, noisy.std(axis=0, ddof=1))
    # the products of different realisations hold no noise power
    pairs = [
        np.sum((a * b).mean(axis=-1) - a.mean(axis=-1) * b.mean(axis=-1))
        for i, a in enumerate(noisy)
        for j, b in enumerate(noisy)
        if i != j
    ]
    assert found.variances["systematic"] == pytest.approx(np.mean(pairs))
    total = found.variances["systematic"] + found.variances["statistical"]
    assert found.variances["total"] == pytest.approx(total)


def test_what_is_not_there_is_one_line(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="realisation 9: not in the store; choose from -1, 0, 1"):
        parameter_maps(ds, 0, 9)
    with pytest.raises(ConfigError, match="parameters were not kept; run it"):
        parameter_maps(ds.drop_vars("beta_dust"), 0, 0)
    with pytest.raises(ConfigError, match="no usable fit of a realisation with noise"):
        residual_maps(ds.isel(realisation=[0]), 0)
