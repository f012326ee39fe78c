"""Zones with clusters of their own, seen as one sky."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.data import build_mask, build_sky
from sweep.errors import ConfigError
from sweep.importing.importer import import_folders
from sweep.progress import Progress
from sweep.results import read_residuals
from sweep.spectra import harmonics, power
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.zones import combine, read_zones
from sweep.testing.small import grid, run
from tests.importing.folders import contents, write

GIVEN = "noise.noiseless=true noise.realisations=3 store.spectra=alm store.maps=float64 "
ZONES = ("mask.expression=GAL040", "mask.expression=GAL060-GAL040 clusters.beta_dust=3")


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("zones") / "a.zarr"
    points = (*ZONES, "mask.expression=GAL060", "mask.expression=GAL060-GAL040 noise.seed=1")
    done = run(grid(path, *(GIVEN + point for point in points)))
    found = sweep.open(path)
    order = found["identity"].values.tolist()
    return found.isel(experiment=[order.index(identity) for identity in done.identities])


def test_they_are_what_one_map_of_both_gives(ds: xr.Dataset) -> None:
    together = read_zones(ds, [0, 1])
    masks = [build_mask(ExperimentView(ds, e).configuration) for e in (0, 1)]
    sky: Any = build_sky(ExperimentView(ds, 0).configuration)
    whole = np.zeros((4, 2, masks[0].keep.size))
    for experiment, mask in enumerate(masks):
        places = np.isin(ds["healpix_index"].values, mask.pixels)
        cmb = ds["cmb"].values[experiment][..., places]
        whole[..., mask.pixels] = cmb - sky.cmb[:, mask.pixels]
    expected = harmonics(whole, sky.nside, np.arange(whole.shape[-1]))[:, 1]
    fraction = np.mean(masks[0].keep | masks[1].keep)
    assert together.sky_fraction == pytest.approx(fraction)
    scale = np.abs(expected).max()
    assert together.noiseless is not None
    np.testing.assert_allclose(together.noiseless, expected[0], rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(together.alms, expected[1:], rtol=0, atol=1e-6 * scale)
    total = np.mean(power(expected[1:]), axis=0) / fraction
    np.testing.assert_allclose(together.spectra("cross").total, total, rtol=1e-5)


def test_overlapping_masks_are_refused(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match=r"`GAL060` has \d+ pixels in common with `GAL040`"):
        read_zones(ds, [0, 2])
    with pytest.raises(ConfigError, match="in common with"):
        read_zones(ds, [0, 0])


def test_other_noise_is_refused(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="`noise` differs between them"):
        read_zones(ds, [0, 3])


def test_only_realisations_that_all_have_count(ds: xr.Dataset) -> None:
    one, other = (read_residuals(ds, e) for e in (0, 1))
    both = combine([one.select([0, 2]), other.select([1, 2])])
    assert both.realisations.tolist() == [2]
    np.testing.assert_allclose(both.alms[0], one.alms[2] + other.alms[2])


def test_nothing_in_common_is_refused(ds: xr.Dataset) -> None:
    one, other = (replace(read_residuals(ds, e), noiseless=None) for e in (0, 1))
    with pytest.raises(ConfigError, match="no usable realisation in common"):
        combine([one.select([0]), other.select([1])])
    with pytest.raises(ConfigError, match="no zone was given"):
        combine([])


def test_imported_zones_are_one_sky_too(ds: xr.Dataset, tmp_path: Path) -> None:
    folders = []
    for experiment, mask in enumerate(("GAL040", "GAL060")):
        name = f"kmeans_c1d1s1_BD2_TD1_BS1_LiteBIRD_{mask}_100"
        folders.append(write(tmp_path / name, contents(ds, experiment)))
    import_folders(folders, tmp_path / "a.zarr", "float64", Progress(None))
    imported = sweep.open(tmp_path / "a.zarr")
    ours, theirs = read_zones(ds, [0, 1]), read_zones(imported, [0, 1])
    assert theirs.sky_fraction == ours.sky_fraction
    np.testing.assert_allclose(theirs.alms, ours.alms, rtol=1e-6, atol=1e-9)
    with pytest.raises(ConfigError, match="in common with"):
        read_zones(imported, [0, 0])

    import_folders(
        [write(tmp_path / "kmeans_c1d0s0_LiteBIRD_ALL_100", contents(ds, 1), NLL=np.zeros((1, 3)))],
        tmp_path / "a.zarr",
        "float64",
        Progress(None),
    )
    with pytest.raises(ConfigError, match="`sky` differs between them"):
        read_zones(sweep.open(tmp_path / "a.zarr"), [0, 2])
