"""Purified spectra: by NaMaster where it is installed, and what we make of them in any case."""

import sys
from types import SimpleNamespace
from typing import Any

import healpy as hp
import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, Estimator
from sweep.results import read_residuals
from sweep.sky.cmb import cmb_realisation
from sweep.statistics import purified
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.purified import purified_power, purified_spectra
from sweep.testing.small import run, small

NSIDE = 32


def test_purification_takes_out_what_the_edge_makes_of_e() -> None:
    pytest.importorskip("pymaster", reason="NaMaster (pymaster) is not installed")
    ell = np.arange(2 * NSIDE + 1)
    spectra = {"ee": np.where(ell > 1, 1.0 / np.maximum(ell, 1.0) ** 2, 0.0), "bb": 0.0 * ell}
    colatitude, _ = hp.pix2ang(NSIDE, np.arange(hp.nside2npix(NSIDE)))
    pixels = np.flatnonzero(colatitude < 1.3)
    maps = np.stack([cmb_realisation(spectra, NSIDE, seed)[:, pixels] for seed in range(8)])
    found, power = purified_power(maps, NSIDE, pixels, width=4, apodisation=10.0)
    plain = []
    for q, u in maps:
        full = np.zeros((3, hp.nside2npix(NSIDE)))
        full[1:, pixels] = q, u
        plain.append(np.asarray(hp.anafast(full, lmax=2 * NSIDE + 1))[2])
    middle = (found > 8) & (found < 40)
    leaked = np.mean(plain, axis=0)[found.astype(int)] * hp.nside2npix(NSIDE) / pixels.size
    assert (np.abs(power.mean(axis=0)) < 0.1 * leaked)[middle].all()


def test_where_it_is_missing_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymaster", None)
    with pytest.raises(ConfigError, match="purified spectra need NaMaster: conda install"):
        purified_power(np.zeros((1, 2, 12)), 1, np.arange(12), 1, 5.0)


class _Plain:
    """As much of NaMaster as is asked for, on the whole sky, where there is nothing to purify."""

    class NmtBin:
        @staticmethod
        def from_lmax_linear(lmax: int, width: int) -> Any:
            edges = np.arange(2, lmax + 2 - width, width)
            means = [np.arange(e, e + width).mean() for e in edges]
            return SimpleNamespace(
                edges=edges, width=width, get_effective_ells=lambda: np.array(means)
            )

    @staticmethod
    def NmtField(mask: np.ndarray, maps: list, *, purify_b: bool, lmax: int) -> Any:  # noqa: N802
        assert purify_b
        assert (mask == 1).all()
        return np.stack([np.zeros(mask.size), *maps]), lmax

    class NmtWorkspace:
        @staticmethod
        def from_fields(one: Any, other: Any, bands: Any) -> Any:
            def decouple(cl: np.ndarray) -> np.ndarray:
                return np.stack([[c[e : e + bands.width].mean() for e in bands.edges] for c in cl])

            return SimpleNamespace(decouple_cell=decouple)

    @staticmethod
    def compute_coupled_cell(one: Any, other: Any) -> np.ndarray:
        sphere, lmax = one
        cl = np.asarray(hp.anafast(sphere, lmax=lmax))
        return np.stack([cl[1], cl[4], cl[4], cl[2]])


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("purified") / "a.zarr"
    words = ("sky.nside=8", "noise.noiseless=true", "noise.realisations=3", "store.spectra=alm")
    run([small(*words, store=path)])
    return sweep.open(path)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_on_the_whole_sky_they_are_the_others_in_bands(
    ds: xr.Dataset, estimator: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purified, "_namaster", lambda: _Plain)
    ell, found = purified_spectra(ExperimentView(ds, 0), estimator, width=3)
    expected = read_residuals(ds, 0).spectra(estimator)
    assert ell[:2].tolist() == [3.0, 6.0]
    for name in ("total", "systematic", "statistical"):
        plain = getattr(expected, name)
        bands = [plain[3 * i : 3 * i + 3].mean() for i in range(ell.size)]
        np.testing.assert_allclose(getattr(found, name), bands, rtol=1e-4, err_msg=name)


def test_too_few_realisations_are_one_line(ds: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purified, "_namaster", lambda: _Plain)
    with pytest.raises(ConfigError, match="1 usable realisations; purified .* cross .* need 2"):
        purified_spectra(ExperimentView(ds.isel(realisation=[1]), 0), "cross")
    with pytest.raises(ConfigError, match="no usable noise-free fit: run with noise.noiseless"):
        purified_spectra(ExperimentView(ds.isel(realisation=[1]), 0), "noise_free")
