"""Noise that is read from files of each band and realisation."""

from pathlib import Path

import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.grid import identity
from sweep.jax_session import jax_session
from sweep.noise.maps import SAMPLE
from sweep.testing.small import run
from sweep.worker import fit_experiment
from tests.noise.cases import BANDS, NPIX, built, conf_of, noise_of, write
from tests.small import listing


@pytest.fixture(autouse=True)
def _session():
    with jax_session():
        yield


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White noise as the program draws it itself, written in K."""
    folder = tmp_path_factory.mktemp("noise")
    with jax_session():
        draw = built(conf_of("noise.seed=5")).noise
        for number in range(SAMPLE):
            for nu, (q, u) in zip((27, 39, 93, 145, 225, 280), draw(number), strict=True):
                np.savez(
                    folder / f"{nu}_{number:04d}.npz",
                    Q=1e-6 * np.asarray(q),
                    U=1e-6 * np.asarray(u),
                    unit="K_CMB",
                )
    return folder


def path_of(folder: Path, pattern: str = "{band}_{realisation:04d}.npz") -> str:
    return f'noise.path="{folder}/{pattern}"'


def test_it_gives_the_numbers_of_the_noise_that_was_written(folder: Path) -> None:
    ours = conf_of("noise.seed=5")
    read = conf_of("noise=maps", path_of(folder))
    np.testing.assert_allclose(built(read).maps((0, 7)), built(ours).maps((0, 7)), rtol=1e-12)
    noise, white = noise_of(read), noise_of(ours)
    few = 5 / np.sqrt(2 * SAMPLE * 2 * NPIX)
    np.testing.assert_allclose(noise.sigma, white.sigma, rtol=few)
    rms = {f"b{i}": np.full(NPIX, s) for i, s in enumerate(white.sigma)}
    write(folder / "rms.npz", unit="uK_CMB", **rms)
    with_rms = conf_of("noise=maps", path_of(folder), f"noise.rms={folder / 'rms.npz'}")
    one, other = fit_experiment(with_rms, (0, 1)), fit_experiment(ours, (0, 1))
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-10)
    np.testing.assert_allclose(one.cmb, other.cmb, rtol=1e-7, atol=1e-7)


def test_a_ratio_scales_what_is_added_alone(folder: Path) -> None:
    one, twice, none = (
        noise_of(conf_of("noise=maps", path_of(folder), f"noise.ratio={ratio}"))
        for ratio in (1, 2, 0)
    )
    np.testing.assert_array_equal(twice.draw(3), 2 * one.draw(3))
    np.testing.assert_array_equal(twice.sigma, one.sigma)
    assert none.draw is None


def test_fewer_maps_than_a_variance_takes_need_an_rms(folder: Path) -> None:
    words = ("noise=maps", path_of(folder), "noise.first=1")
    missing = r"27_0020.npz \(band 27, realisation 19\): there is no such file; .*noise.rms="
    with pytest.raises(ConfigError, match=missing):
        built(conf_of(*words))
    write(folder / "rms.npz", unit="uK_CMB", **{f"b{i}": np.ones(NPIX) for i in range(BANDS)})
    setup = built(conf_of(*words, f"noise.rms={folder / 'rms.npz'}"))
    first = noise_of(conf_of("noise=maps", path_of(folder))).draw(1)
    np.testing.assert_array_equal(setup.noise(0), first)


def test_a_realisation_that_is_not_there_is_refused_before_anything_is_made(
    folder: Path, tmp_path: Path
) -> None:
    store = f"store.path={tmp_path / 's.zarr'}"
    words = ("noise=maps", path_of(folder), store)
    missing = r"27_0020.npz \(band 27, realisation 20\): there is no such file"
    with pytest.raises(ConfigError, match=missing):
        run([conf_of(*words, f"noise.realisations={SAMPLE + 1}")])
    assert not listing(tmp_path)
    with pytest.raises(ConfigError, match=r"has no {realisation}, all would have the same noise"):
        run([conf_of("noise=maps", path_of(folder, "{band}_0000.npz"), store)])
    assert not listing(tmp_path)


def test_a_file_that_changes_is_another_experiment(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*_00*.npz"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = identity(conf_of("noise=maps", path_of(folder)))
    assert identity(conf_of("noise=maps", path_of(tmp_path))) == before
    (tmp_path / "27_0003.npz").write_bytes((tmp_path / "27_0004.npz").read_bytes())
    assert identity(conf_of("noise=maps", path_of(tmp_path))) != before
