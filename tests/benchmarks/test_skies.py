"""Skies made from templates: what is changed, by how much, and that nothing else is."""

from collections.abc import Iterator
from pathlib import Path

import healpy as hp
import numpy as np
import pytest

from benchmarks import skies
from sweep.sky import Sky
from tests.small import write_templates

NSIDE = 16


@pytest.fixture(autouse=True)
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, np.ndarray]]:
    """A smooth sky in the place of d1s1, whose mask keeps the north."""
    pixels = np.arange(hp.nside2npix(NSIDE))
    north = hp.pix2vec(NSIDE, pixels)[2] > 0.3
    path = write_templates(tmp_path / "d1s1.npz", NSIDE, temp_dust=18.0 + 3.0 * north)
    np.savez(tmp_path / "masks.npz", GAL060=north)
    monkeypatch.setattr(skies, "SKY", path)
    monkeypatch.setattr(skies, "MASKS", tmp_path / "masks.npz")
    monkeypatch.setattr(skies, "check_data", lambda: None)
    monkeypatch.setenv("SKYSWEEP_CACHE", str(tmp_path / "cache"))
    skies.template_file.cache_clear()
    yield dict(np.load(path))
    skies.template_file.cache_clear()


def changed(name: str, before: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    after = np.load(skies.template_file(name))
    assert set(after.files) == set(before)
    return {key: after[key] for key in before if not np.array_equal(before[key], after[key])}


def test_rough_has_an_index_of_dust_with_scatter_and_one_of_synchrotron_with_a_gradient(
    templates: dict[str, np.ndarray],
) -> None:
    maps = changed("rough", templates)
    assert set(maps) == {"beta_dust", "beta_pl"}
    assert np.std(maps["beta_dust"] - templates["beta_dust"]) == pytest.approx(0.2, rel=0.05)
    height = np.abs(hp.pix2vec(NSIDE, np.arange(maps["beta_pl"].size))[2])
    assert maps["beta_pl"][height.argmax()] == pytest.approx(-3.15, abs=0.02)
    assert maps["beta_pl"][height.argmin()] == pytest.approx(-2.75, abs=0.02)


def test_means_are_shifted_where_the_mask_keeps(templates: dict[str, np.ndarray]) -> None:
    kept = np.load(skies.MASKS)["GAL060"]
    index, temperature = (changed(f"shifted_{n}", templates) for n in ("index", "temperature"))
    assert {k: v[kept].mean() for k, v in index.items()} == pytest.approx(
        {"beta_dust": 1.74, "beta_pl": -3.2}
    )
    assert {k: v[kept].mean() for k, v in temperature.items()} == pytest.approx({"temp_dust": 24})
    assert np.ptp(temperature["temp_dust"]) == pytest.approx(np.ptp(templates["temp_dust"]))


def test_a_file_is_made_once_and_anew_where_its_source_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = skies.template_file("rough")
    content = first.read_bytes()
    skies.template_file.cache_clear()
    first.write_bytes(b"kept")
    assert skies.template_file("rough") == first
    assert first.read_bytes() == b"kept" != content
    write_templates(tmp_path / "other.npz", NSIDE, beta_dust=np.full(hp.nside2npix(NSIDE), 1.6))
    monkeypatch.setattr(skies, "SKY", tmp_path / "other.npz")
    skies.template_file.cache_clear()
    assert skies.template_file("rough") != first


def test_the_wrong_law_adds_to_the_signal_and_not_to_the_cmb() -> None:
    overrides = (f"sky.nside={NSIDE}", "instrument=pico", "mask.expression=GAL060")
    plain, wrong = (skies.sky_setup(name, *overrides) for name in ("d1s1", "wrong_law"))
    assert isinstance(plain.sky, Sky)
    np.testing.assert_array_equal(plain.sky.cmb, wrong.sky.true_cmb(0))
    added = (wrong.signal(0) - plain.signal(0)).std(axis=(1, 2))
    foregrounds = plain.sky.foregrounds(plain.instrument.frequency)[..., plain.mask.pixels]
    share = added / foregrounds.std(axis=(1, 2))
    assert ((share > 1e-4) & (share < 0.3)).all()
    # synchrotron keeps its amplitude where it is given, and bends away from there
    bend = skies.unmodelled(plain.sky.model, np.array([23.0, 60.0]))
    assert np.isfinite(bend).all()
    assert np.abs(bend[1]).max() > np.abs(bend[0]).max()
