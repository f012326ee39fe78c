"""Bands, beams and errors of the instrument, from settings to fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest

from sweep.assemble.data import build_mask, build_sky, true_cmb
from sweep.assemble.noise import build_noise
from sweep.assemble.setup import build
from sweep.bands import top_hat
from sweep.beams import smoothed, window
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.fit import fit_block
from sweep.jax_session import jax_session
from sweep.problem import SpectralProblem
from sweep.spectra import harmonics
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.rankings import templates_name, templates_of
from sweep.statistics.recovered import kept_pixels, residual_of
from sweep.statistics.residuals import read_residuals
from sweep.store import NOISELESS, open_dataset
from sweep.testing.small import run, small
from sweep.units import modified_black_body, rj_to_cmb
from tests.small import listing, write_templates

WIDTHS = [0.3, 0.3, *[0.23] * 5, *[0.3] * 7, 0.23]
BANDWIDTH = f"instrument.bandwidth={WIDTHS}".replace(" ", "")
FWHM = f"instrument.fwhm={[600.0] * 14 + [700.0]}".replace(" ", "")


def refusals(folder: Path) -> list[tuple[list[str], str]]:
    """Settings that are refused, and by which words."""
    band, both = folder / "band.txt", folder / "both.yaml"
    files = f"instrument.bandpass=[{','.join([str(band)] * 15)}]"
    return [
        (["instrument.bandwidth=[0.3]"], "instrument.bandwidth: expected 15 values.*got 1"),
        ([f"instrument.bandpass=[{band}]"], "instrument.bandpass: expected 15 values.*got 1"),
        ([files], r"instrument.bandpass\[2\] = .*band.txt: is open from 30 to 50 GHz.* has 60"),
        ([files, BANDWIDTH], "bands have a bandwidth too; give one of the two"),
        (["instrument.bandpass_unit=RJ"], "does nothing without instrument.bandpass"),
        ([BANDWIDTH, "fit.likelihood=furax"], "furax's likelihood knows monochromatic bands only"),
        ([FWHM], "add instrument.fwhm_out=700 or more"),
        (["instrument.fwhm_out=60"], "the beams of the bands are not known"),
        ([FWHM, "instrument.fwhm_out=650"], "fwhm_out = 650 arcmin: band 14 has a beam of 700"),
        (["instrument.errors.gain=[0.1]"], "instrument.errors.gain: expected 15 values"),
        ([f"instrument.path={both}", "instrument.fwhm=[1,2,3,4]"], "has it too; give one of"),
    ]


REFUSALS = len(refusals(Path()))


@pytest.mark.parametrize("number", range(REFUSALS))
def test_what_cannot_be_is_refused_before_anything_is_made(number: int, tmp_path: Path) -> None:
    words, message = refusals(tmp_path)[number]
    (tmp_path / "band.txt").write_text("30 1\n50 1\n")
    (tmp_path / "both.yaml").write_text(
        "{name: x, source: y, frequency: [40, 90, 150, 220], depth_p: [1, 1, 1, 1], "
        "fwhm: [9, 8, 7, 6]}"
    )
    before = listing(tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        run([small(*words, store=tmp_path / "s.zarr")])
    assert "\n" not in str(caught.value)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("instrument.errors.gain=-0.1", "instrument.errors.gain = -0.1: must be at least 0"),
        ("instrument.errors.shift=[0.1,-0.1]", "must be from 0 to 0.1"),
        ("instrument.errors.angle=wide", "must be a number or a list of numbers"),
        ("instrument.bandwidth=[0.3,30]", r"instrument.bandwidth = \[0.3, 30.0\]: must be from"),
        ("instrument.fwhm_out=0", "must be positive"),
        ("instrument.errors.offset=1", "unknown key `instrument.errors.offset`"),
    ],
)
def test_values_out_of_bounds_are_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(word)


def truth_of(conf: SweepConf) -> np.ndarray:
    """The CMB of realisation 0 in the kept pixels, shape (stokes, pixel)."""
    found = true_cmb(conf, (0,))
    assert found is not None
    return found[0]


def homogeneous(folder: Path) -> list[str]:
    """A sky with one spectrum of dust and of synchrotron, that three clusters fit."""
    path = write_templates(folder / "sky.npz")
    ones = [f"clusters.{p}=1" for p in ("beta_dust", "temp_dust", "beta_pl")]
    return ["sky=templates", f"sky.path={path}", *ones, "solver=newton", "solver.max_steps=100"]


@jax_session()
def test_dust_leaks_through_bands_that_are_fitted_as_monochromatic_only(tmp_path: Path) -> None:
    conf = small(*homogeneous(tmp_path), BANDWIDTH)
    setup, truth = build(conf), truth_of(conf)
    sky: Any = setup.sky
    model = sky.model
    dust = replace(model, synchrotron=np.zeros_like(truth))
    at_140 = dust.through(top_hat("140 GHz", 140.0, 0.3))

    def leak(problem: SpectralProblem) -> tuple[float, float]:
        fit = fit_block(
            setup.solver, setup.objective, problem, setup.maps((NOISELESS,)), setup.bounds, []
        )
        residual = np.asarray(fit.cmb[0]) - truth
        share = np.sum(residual * at_140) / np.sum(at_140**2)
        return abs(float(share)), float(fit.params["temp_dust"][0, 0])

    banded, temperature = leak(setup.problem)
    assert banded < 1e-5
    assert abs(temperature - 20.0) < 1e-3
    monochromatic, moved = leak(replace(setup.problem, bands=None))
    assert monochromatic > 0.02
    assert moved < 15.0


def test_maps_are_the_sky_through_the_bands(tmp_path: Path) -> None:
    conf = small(*homogeneous(tmp_path), BANDWIDTH)
    sky: Any = build_sky(conf)
    band = 12
    model = sky.model
    nu = np.linspace(280 * 0.85, 280 * 1.15, 4001)
    weight = nu**2 / rj_to_cmb(nu)
    dust = rj_to_cmb(nu) * modified_black_body(nu, model.dust_nu0, 1.54, 20.0)
    synchrotron = rj_to_cmb(nu) * (nu / model.synchrotron_nu0) ** -3.0
    of_dust, of_synchrotron = (
        np.trapezoid(weight * s, nu) / np.trapezoid(weight, nu) for s in (dust, synchrotron)
    )
    expected = sky.cmb + of_dust * model.dust + of_synchrotron * model.synchrotron
    found = build(conf).signal(0)[band]
    np.testing.assert_allclose(found, expected[:, build_mask(conf).pixels], rtol=1e-6)


@jax_session()
def test_signal_truth_and_noise_have_the_resolution_of_the_fit() -> None:
    words = ["sky.nside=8", "mask.expression=GAL080"]
    plain, smooth = small(*words), small(*words, FWHM, "instrument.fwhm_out=1200")
    sky: Any = build_sky(plain)
    pixels = build_mask(plain).pixels
    transfer = window(1200.0, 23)
    np.testing.assert_allclose(truth_of(smooth), smoothed(sky.cmb, transfer)[:, pixels])
    setup = build(smooth)
    at_235 = smoothed(sky.maps(235.0)[0], transfer)[:, pixels]
    np.testing.assert_allclose(setup.signal(0)[11], at_235, atol=1e-9)

    draw: Any = setup.noise
    noise = np.array([draw(r) for r in range(60)]).std(axis=(0, 2, 3))
    np.testing.assert_allclose(noise, build_noise(smooth).sigma, rtol=0.08)
    assert np.all(build_noise(smooth).sigma < 0.6 * build_noise(plain).sigma)
    np.testing.assert_allclose(1 / setup.problem.inverse_sigma, build_noise(smooth).sigma)


@jax_session()
def test_errors_are_in_the_data_of_noisy_realisations_only() -> None:
    words = ["noise.ratio=0", "noise.seed=3"]
    setup, exact = build(small(*words, "instrument.errors.gain=0.02")), build(small(*words))
    free, first, second = np.asarray(setup.maps((NOISELESS, 0, 1)))
    np.testing.assert_array_equal(free, exact.signal(0))
    gains = [maps[:, 0] / exact.signal(0)[:, 0] for maps in (first, second)]
    for gain in gains:
        np.testing.assert_allclose(gain, gain[:, :1] * np.ones_like(gain), rtol=1e-9)
    assert 0.005 < np.std(gains[0][:, 0] - 1) < 0.05
    assert not np.allclose(gains[0], gains[1])
    np.testing.assert_array_equal(setup.problem.inverse_sigma, exact.problem.inverse_sigma)


@pytest.mark.parametrize("bands", [[], [BANDWIDTH]])
@jax_session()
def test_a_shift_is_a_sky_at_other_frequencies(bands: list[str]) -> None:
    conf = small("noise.ratio=0", *bands, "instrument.errors.shift=0.02")
    seen = np.asarray(build(conf).maps((4,))[0])
    from sweep.assemble.optics import mismatch_of

    mismatch = mismatch_of(conf.instrument, 15)
    assert mismatch is not None
    shift = mismatch.drawn(conf.noise.seed, 4).shift
    frequency = np.array(conf.instrument.frequency)
    sky: Any = build_sky(conf)
    if bands:
        moved = [
            top_hat("band", nu * (1 + by), width)
            for nu, by, width in zip(frequency, shift, WIDTHS, strict=True)
        ]
        expected = sky.maps_through(moved)
    else:
        expected = sky.maps(frequency * (1 + shift))
    np.testing.assert_allclose(seen, expected, rtol=1e-9)
    assert np.abs(seen - build(conf).signal(0)).max() > 1e-3 * np.abs(seen).max()


def test_a_store_knows_the_beam_of_its_maps(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    words = ["store.spectra=alm", "noise.realisations=3"]
    of_file = tmp_path / "mine.yaml"
    of_file.write_text(
        "{name: mine, source: here, frequency: [40, 90, 150, 220, 350], depth_p: [9, 3, 3, 5, 20], "
        "bandwidth: [0.3, 0.3, 0.3, 0.3, 0.3], fwhm: [900, 400, 250, 170, 100], fwhm_out: 900}"
    )
    optics = ([], [FWHM, "instrument.fwhm_out=1200"], [f"instrument.path={of_file}"])
    run([small(*words, *more, store=store) for more in optics])
    ds = open_dataset(store)
    found = {read_residuals(ExperimentView(ds, i)).fwhm: i for i in range(len(optics))}
    assert set(found) == {0.0, 1200.0, 900.0}
    smooth = ExperimentView(ds, found[1200.0])
    # what a worker kept is what is made again, truth at the resolution of the fit in both
    again = harmonics(residual_of(smooth, [0]), 4, kept_pixels(smooth))[0, 1]
    np.testing.assert_allclose(smooth.stored["blm_residual"].values[0], again, atol=1e-4)
    last = {b: templates_of(read_residuals(ExperimentView(ds, found[b]))).tensor[-1] for b in found}
    assert last[1200.0] < last[900.0] < 0.9 * last[0.0]
    names = {templates_name(read_residuals(ExperimentView(ds, i))) for i in found.values()}
    assert names == {"4", "4, 900 arcmin", "4, 1200 arcmin"}


def test_errors_with_noise_leave_the_noise_as_it_is() -> None:
    with_errors, exact = small("instrument.errors.angle=2"), small()
    both = np.asarray(build(with_errors).maps((1,))[0])
    with jax_session():
        distorted: Any = build(with_errors).distorted
        draw: Any = build(exact).noise
        signal, noise = distorted(1), np.asarray(draw(1))
    np.testing.assert_allclose(both, signal + noise, rtol=1e-12)
    assert hp.npix2nside(both.shape[-1]) == 4
