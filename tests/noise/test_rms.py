"""Noise by maps of rms and covariance: units, signs, and what is refused."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.grid import identity
from sweep.inputs.read import read_columns
from sweep.jax_session import jax_session
from sweep.noise.base import Noise, coloured, matrices
from sweep.noise.rms import rms_root
from sweep.noise.weights import weights_of
from tests.noise.cases import BANDS, NPIX, NSIDE, built, conf_of, noise_of, write

PIXELS = np.arange(NPIX)


@pytest.fixture(autouse=True)
def _session():
    with jax_session():
        yield


def test_rms_of_all_bands_in_one_file_in_any_unit(tmp_path: Path) -> None:
    sigma = np.random.default_rng(0).uniform(1, 2, (BANDS, 1)) * np.linspace(1, 3, NPIX)
    maps = {f"b{i}": 1e-6 * one for i, one in enumerate(sigma)}
    noise = noise_of(conf_of("noise=rms", write(tmp_path / "r.npz", unit="K_CMB", **maps)))
    np.testing.assert_allclose(noise.root[:, 0], sigma, rtol=1e-12)
    np.testing.assert_array_equal(noise.sigma, 1.0)
    drawn = np.stack([noise.draw(i) for i in range(200)]) / sigma[:, None]
    np.testing.assert_allclose(drawn.std(axis=(0, 2, 3)), 1, rtol=5 / np.sqrt(2 * 400 * NPIX))
    setup = built(conf_of("noise=rms", f"noise.path={tmp_path / 'r.npz'}"))
    found = setup.problem.inverse_sigma[:, None] * setup.problem.weights.stokes
    np.testing.assert_allclose(found, 1 / sigma, rtol=1e-12)


def covariance_file(path: Path, changes: dict, **header: str) -> Path:
    """As Planck hands them out: Q and U, hits, and six covariances."""
    maps = {"Q_STOKES": 0.0, "HITS": 3.0, "II_COV": 9.0, "IQ_COV": 0.0, "IU_COV": 0.0}
    maps |= {"QQ_COV": 4.0, "QU_COV": 1.0, "UU_COV": 3.0} | changes
    arrays = {name: np.broadcast_to(value, NPIX) for name, value in maps.items()}
    units = {"Q_STOKES": "K_CMB", "HITS": ""}
    hp.write_map(
        path,
        list(arrays.values()),
        column_names=list(arrays),
        column_units=[units.get(name, "(uK_CMB)^2") for name in arrays],
        extra_header=list(header.items()),
        dtype=np.float64,
        overwrite=True,
    )
    return path


def test_covariance_of_q_and_u_by_name(tmp_path: Path) -> None:
    scale = np.linspace(1, 2, NPIX)
    one = covariance_file(tmp_path / "1.fits", {"QQ_COV": 4 * scale})
    iau = covariance_file(tmp_path / "2.fits", {}, POLCCONV="IAU")
    files = [read_columns(path, "noise.path") for path in (one, iau)]
    root = matrices(rms_root(files, np.array([100.0, 150.0]), NSIDE, PIXELS))
    found = root @ root.swapaxes(-1, -2)
    np.testing.assert_allclose(found[0, :, 0, 0], 4 * scale, rtol=1e-12)
    np.testing.assert_allclose(found[:, :, 1, 1], 3, rtol=1e-12)
    np.testing.assert_allclose(found[0, :, 0, 1], 1, rtol=1e-12)
    np.testing.assert_allclose(found[1, :, 0, 1], -1, rtol=1e-12)


def test_a_file_a_band_by_its_name(tmp_path: Path) -> None:
    names = [f"b{i}" for i in range(BANDS)]
    for i, name in enumerate(names):
        scale = (1 + i) ** 2
        changes = {"QQ_COV": 4.0 * scale, "QU_COV": scale, "UU_COV": 3.0 * scale}
        covariance_file(tmp_path / f"cov_{name}.fits", changes)
    words = ["noise=rms", f"instrument.band=[{','.join(names)}]"]
    pattern = tmp_path / "cov_{band}.fits"
    conf = conf_of(*words, f'noise.path="{pattern}"')
    setup, before = built(conf), identity(conf)
    stokes = matrices(setup.problem.weights.stokes[None])[0, 0]
    found = np.linalg.inv(stokes.T @ stokes) / np.asarray(setup.problem.inverse_sigma[0]) ** 2
    np.testing.assert_allclose(found, [[4, 1], [1, 3]], rtol=1e-9)
    sigma = 1 / np.asarray(setup.problem.inverse_sigma)
    np.testing.assert_allclose(sigma / sigma[0], 1 + np.arange(BANDS), rtol=1e-9)
    covariance_file(tmp_path / f"cov_{names[-1]}.fits", {"QQ_COV": 5.0})
    assert identity(conf) != before
    (tmp_path / "cov_b0.fits").unlink()
    with pytest.raises(ConfigError, match=r"noise.path = .*cov_b0.fits: does not exist"):
        built(conf)
    with pytest.raises(ConfigError, match=r"unknown `{colour}`; use {band}, {frequency}"):
        built(conf_of(*words, f'noise.path="{tmp_path}/cov_{{colour}}.fits"'))


def test_draws_have_the_covariance_of_their_pixel() -> None:
    triangle = np.repeat([[[2.0], [0.5], [1.5]]], 40_000, axis=2)
    unit = np.random.default_rng(0).standard_normal((1, 2, 40_000))
    found = np.cov(np.asarray(coloured(triangle, unit))[0])
    np.testing.assert_allclose(found, [[4, 1], [1, 2.5]], atol=0.06)


def test_a_covariance_that_is_not_positive_is_refused_with_its_pixel(tmp_path: Path) -> None:
    bad = np.where(PIXELS == 7, 5.0, 1.0)
    path = covariance_file(tmp_path / "a.fits", {"QU_COV": bad})
    root = rms_root([read_columns(path, "noise.path")], np.array([100.0]), NSIDE, PIXELS)
    assert np.flatnonzero(np.isnan(root).any(axis=(0, 1))).tolist() == [7]


def test_an_rms_of_zero_inside_the_mask_is_refused_with_its_pixel(tmp_path: Path) -> None:
    maps = {f"b{i}": np.where(9 + i == PIXELS, 0.0, 1.0) for i in range(BANDS)}
    path = write(tmp_path / "r.npz", unit="uK_CMB", **maps)
    with pytest.raises(ConfigError, match=r"noise.path = .*: 6 pixels inside the mask .* first 9;"):
        built(conf_of("noise=rms", path))


@pytest.mark.parametrize(
    ("maps", "problem"),
    [
        ({"unit": "K_CMB", "rms": np.ones(NPIX)}, "has one map, rms; expected 6, one a band"),
        (dict.fromkeys("abcdef", np.ones(NPIX)), "states no unit of `a`; write one into it"),
        (
            {"unit": "furlong"} | dict.fromkeys("abcdef", np.ones(NPIX)),
            "`a` is in furlong, expected K_CMB",
        ),
    ],
)
def test_what_is_no_rms_is_refused(maps: dict, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.npz", **maps)
    with pytest.raises(ConfigError, match=rf"noise.path = .*r.npz: {problem}"):
        built(conf_of("noise=rms", path))


def test_a_covariance_in_a_unit_that_is_no_square_is_refused(tmp_path: Path) -> None:
    maps: dict[str, Any] = {n: np.ones(NPIX) for n in ("QQ", "UU")} | {
        "QU": np.zeros(NPIX),
        "unit": "K_CMB",
    }
    np.savez(tmp_path / "r.npz", **maps)
    file = read_columns(tmp_path / "r.npz", "noise.path")
    with pytest.raises(
        ConfigError, match=r"`QQ` is in K_CMB, expected K_CMB\^2: that is no square"
    ):
        rms_root([file], np.array([100.0]), NSIDE, PIXELS)


def test_weights_of_covariances_that_bands_share_are_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    qq, uu = rng.uniform(2, 4, (2, NPIX))
    files = []
    for band in range(3):
        qu = rng.uniform(-1, 1, NPIX) if band == 0 else files[0].arrays["QU_COV"]
        scale = (1 + band) ** 2 if band else 1.0
        path = covariance_file(
            tmp_path / f"{band}.fits",
            {"QQ_COV": scale * qq, "QU_COV": scale * qu, "UU_COV": scale * uu},
        )
        files.append(read_columns(path, "noise.path"))
    root = rms_root(files, np.array([90.0, 150.0, 220.0]), NSIDE, PIXELS)
    weights: Any = weights_of(Noise(None, np.ones(3), root, None), 1)
    assert weights.bands is None
    whitening = matrices(weights.stokes[None])[0] / weights.sigma[:, None, None, None]
    unit = whitening @ matrices(root)
    expected = np.broadcast_to(np.eye(2), unit.shape)
    np.testing.assert_allclose(unit @ unit.swapaxes(-1, -2), expected, atol=1e-9)
