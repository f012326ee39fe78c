"""A sky of maps from files: what a simulated experiment wrote is the same when it is read."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest

import sweep
from sweep.assemble.setup import build
from sweep.config import SweepConf
from sweep.errors import ConfigError
from sweep.testing.small import run, small
from sweep.worker import experiment_arrays
from tests.handed import COUNT, EXACT, NUMBERS, SETTINGS, Handed, mine, truth, write_map


@pytest.fixture(scope="module")
def simulated() -> SweepConf:
    return small(*SETTINGS, "mask.expression=GAL080")


@pytest.fixture
def handed(simulated: SweepConf, tmp_path: Path) -> Handed:
    return Handed(tmp_path, build(simulated))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"unit": "uK_CMB", "factor": 1.0},
        {"unit": "mK", "factor": 1e-3, "nest": True},
        {"iau": True},
        {"nest": True, "partial": True, "iau": True},
    ],
    ids=lambda form: ",".join(form) or "K",
)
def test_maps_that_were_written_give_the_numbers_of_the_experiment(
    handed: Handed, form: dict[str, Any]
) -> None:
    folder = handed.write(**form)
    conf = mine(folder, truth(folder), *EXACT)
    setup, numbers = build(conf), tuple(range(COUNT))
    np.testing.assert_array_equal(setup.mask.pixels, handed.setup.mask.pixels)
    np.testing.assert_allclose(setup.maps(numbers), handed.setup.maps(numbers), rtol=1e-12)
    same = small(*SETTINGS, "mask.expression=GAL080", *EXACT)
    expected = experiment_arrays(same, numbers, spectra=False)
    found = experiment_arrays(conf, numbers, spectra=False)
    for name in NUMBERS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-8, err_msg=name)


def test_without_a_truth_residuals_are_not_numbers_and_all_else_is(handed: Handed) -> None:
    folder = handed.write()
    found = experiment_arrays(mine(folder), (0,), spectra=False)
    known = experiment_arrays(mine(folder, truth(folder)), (0,), spectra=False)
    assert np.isnan(found["residual_variance"]).all()
    assert np.isfinite(known["residual_variance"]).all()
    for name in set(NUMBERS) - {"residual_variance"}:
        np.testing.assert_array_equal(found[name], known[name])


def test_a_galactic_mask_follows_the_highest_band(handed: Handed) -> None:
    whole = build(small(*SETTINGS))
    folder = Handed(handed.folder, whole).write(realisations=(0,))
    found = build(mine(folder, "noise.realisations=1", mask="GAL060")).mask
    expected = build(small(*SETTINGS, "mask.expression=GAL060")).mask
    assert found.pixels.size == expected.pixels.size
    assert np.isin(found.pixels, expected.pixels).mean() > 0.9  # other frequency, and with noise


def test_one_observed_sky_has_one_realisation_and_gets_no_noise(handed: Handed) -> None:
    folder = handed.write()
    path = f"sky.path='{folder}/{{band}}_0001.fits'"
    conf = mine(folder, path, "noise.realisations=1")
    np.testing.assert_allclose(build(conf).maps((0,)), handed.setup.maps((1,)), rtol=1e-12)
    with pytest.raises(ConfigError, match=r"noise.realisations = 2: .* one observed sky; set"):
        mine(folder, path)


def test_numbers_of_files_may_begin_elsewhere(handed: Handed) -> None:
    folder = handed.write()
    conf = mine(folder, "sky.first=1", "noise.realisations=1")
    np.testing.assert_allclose(build(conf).maps((0,)), handed.setup.maps((1,)), rtol=1e-12)


def test_the_fit_without_noise_has_maps_of_its_own(handed: Handed) -> None:
    folder = handed.write()
    clean = handed.write("clean", realisations=(-1,))
    with pytest.raises(ConfigError, match=r"noise.noiseless = True: .* by sky.noiseless="):
        mine(folder, "noise.noiseless=true")
    conf = mine(folder, "noise.noiseless=true", f"sky.noiseless='{clean}/{{band}}_-001.fits'")
    np.testing.assert_allclose(build(conf).maps((-1,))[0], handed.setup.signal(-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["noise.ratio=2"], "noise.ratio = 2.0: maps from files hold their noise"),
        (["store.spectra=cl"], "store.spectra = 'cl': .* give it by sky.truth="),
        (["sky.columns=[Q]"], "must be two names, of Q and of U"),
        (["sky.path='maps/a_{realisation}.fits'"], "bands b0 and b1 are one file, a_0.fits; put"),
        (["sky.path='{bandd}_{realisation}.fits'"], "unknown `{bandd}`; use {band}, {frequency}"),
        (["sky.path='{band}_{realisation:q}.fits'"], "sky.path = .*: Unknown format code 'q'"),
        (["sky.path='{band_{realisation}.fits'"], "sky.path = "),
        (["sky.unit=uK"], "is in K_CMB, sky.unit = uK; leave sky.unit out"),
        (["sky.nside=8"], "map has nside 16, config 8; set sky.nside"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    handed: Handed, words: list[str], said: str
) -> None:
    folder = handed.write()
    with pytest.raises(ConfigError, match=said) as caught:
        run([mine(folder, *words)])
    assert "\n" not in str(caught.value)
    assert not (handed.folder / "store.zarr").exists()


def test_a_missing_file_is_named_by_band_and_realisation(handed: Handed) -> None:
    folder = handed.write()
    (folder / "b3_0001.fits").unlink()
    with pytest.raises(
        ConfigError, match=r"b3_0001.fits \(band b3, realisation 1\): there is no such file"
    ):
        run([mine(folder)])
    assert not (handed.folder / "store.zarr").exists()


def test_unseen_pixels_inside_the_mask_are_named(handed: Handed) -> None:
    folder = handed.write()
    path = folder / "b2_0000.fits"
    maps = np.stack([hp.read_map(path, field=i) for i in range(3)])
    first = handed.setup.mask.pixels[7]
    maps[1, first] = hp.UNSEEN
    write_map(path, maps, False, False, "K_CMB", "COSMO")
    masks = folder / "mask.npz"
    np.savez(masks, mine=handed.setup.mask.keep)
    words = [f"mask.path='{masks}'"]
    said = rf"\(band b2, realisation 0\): 1 pixels inside the mask .* first {first};"
    with pytest.raises(ConfigError, match=said):
        run([mine(folder, *words, mask="mine")])
    kept = build(mine(folder, *words, mask="OBSERVED")).mask
    assert kept.pixels.size == handed.setup.mask.pixels.size - 1
    maps[1, first] = 0.0
    write_map(path, maps, False, False, "K_CMB", "COSMO")
    mended = build(mine(folder, *words, mask="OBSERVED"))
    labels = mended.clusters.labels["beta_dust"]
    assert mended.mask.pixels.size == labels.size == kept.pixels.size + 1


def test_identity_is_of_settings_and_not_of_places(handed: Handed) -> None:
    from sweep.grid import identity

    folder = handed.write()
    moved = handed.folder / "elsewhere"
    folder.rename(moved)
    one, other = (mine(f, truth(f)) for f in (folder, moved))
    (folder).mkdir()
    (folder / "instrument.yaml").write_text((moved / "instrument.yaml").read_text())
    assert identity(one) == identity(other)
    assert identity(mine(moved)) != identity(other)
    assert identity(mine(moved, "sky.dataset=a")) != identity(mine(moved))


def test_a_changed_file_is_an_error_where_the_command_runs_again(handed: Handed) -> None:
    folder = handed.write()
    run([mine(folder)])
    assert not run([mine(folder)]).outcomes
    moved = handed.folder / "moved"
    folder.rename(moved)
    store = handed.folder / "store.zarr"
    assert not run([mine(moved, store=store)]).outcomes
    (moved / "b0_0000.fits").unlink()  # what is gone is not needed any more
    assert not run([mine(moved, store=store)]).outcomes
    maps = np.stack([hp.read_map(moved / "b4_0001.fits", field=i) for i in range(3)])
    write_map(moved / "b4_0001.fits", 2 * maps, False, False, "K_CMB", "COSMO")
    with pytest.raises(ConfigError, match=r"b4_0001.fits \(band b4, realisation 1\): has changed"):
        run([mine(moved, store=store)])


def test_two_sets_in_one_command_need_names(handed: Handed) -> None:
    one, other = handed.write("one"), handed.write("other")
    with pytest.raises(ConfigError, match=r"sky.path = .*other.*: only this tells it from .*one"):
        run([mine(one), mine(other)])
    run([mine(one, "sky.dataset=one"), mine(other, "sky.dataset=other")])
    ds = sweep.open(handed.folder / "store.zarr")
    assert ds.sizes["experiment"] == 2
    np.testing.assert_array_equal(*ds["cmb_variance"].values)


def test_smoothing_needs_the_whole_sky(handed: Handed) -> None:
    folder = handed.write()
    beams = ["instrument.fwhm=[" + ",".join(["30"] * 15) + "]", "instrument.fwhm_out=600"]
    with pytest.raises(
        ConfigError, match=r"\(band b0, realisation 0\): .* instrument.fwhm_out need"
    ):
        run([mine(folder, *beams)])


def test_names_of_bands_may_be_given_beside_the_file_of_an_instrument(handed: Handed) -> None:
    folder = handed.write()
    lines = (folder / "instrument.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("band", "- b"))]
    (folder / "instrument.yaml").write_text("\n".join(kept))
    names = "instrument.band=[" + ",".join(f"b{i}" for i in range(15)) + "]"
    np.testing.assert_allclose(
        build(mine(folder, names)).maps((0,)), handed.setup.maps((0,)), rtol=1e-12
    )
