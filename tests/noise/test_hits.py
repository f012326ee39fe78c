"""Noise by hits: what is drawn, what the likelihood takes for it, and what is refused."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest

from sweep.assemble.weights import build_weights
from sweep.errors import ConfigError
from sweep.grid import identity
from sweep.jax_session import jax_session
from sweep.worker import fit_experiment
from tests.noise.cases import BANDS, NPIX, built, conf_of, noise_of, patch, write


@pytest.fixture(autouse=True)
def _session():
    with jax_session():
        yield


def test_where_hits_are_alike_it_is_white_noise_bit_for_bit(tmp_path: Path) -> None:
    same = conf_of("noise=hits", write(tmp_path / "h.npz", hits=np.full(NPIX, 7.0)))
    white = conf_of("noise=white")
    np.testing.assert_array_equal(built(same).maps((0, 3)), built(white).maps((0, 3)))
    one, other = (fit_experiment(conf, (0, 1)) for conf in (same, white))
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-12)
    np.testing.assert_allclose(one.params["beta_dust"], other.params["beta_dust"], rtol=1e-8)


def test_the_depth_holds_where_hits_are_most(tmp_path: Path) -> None:
    hits = 1.0 + np.arange(NPIX) % 16
    words = ("noise=hits", write(tmp_path / "h.npz", hits=hits))
    noise, white = noise_of(conf_of(*words)), noise_of(conf_of("noise=white"))
    np.testing.assert_array_equal(noise.sigma, white.sigma)
    np.testing.assert_allclose(noise.root, np.sqrt(16 / hits)[None, None], rtol=1e-15)
    np.testing.assert_allclose(noise.draw(2), white.draw(2) * np.sqrt(16 / hits), rtol=1e-14)
    weights: Any
    weights, lost = build_weights(conf_of(*words))
    assert lost.share == 0
    product = weights.sigma[:, None] / weights.stokes
    np.testing.assert_allclose(product, white.sigma[:, None] * np.sqrt(16 / hits), rtol=1e-12)


def test_a_draw_is_the_same_for_every_mask_and_scales_with_its_ratio(tmp_path: Path) -> None:
    words = ("noise=hits", write(tmp_path / "h.npz", hits=1 + patch(0.5)), "noise.seed=3")
    whole, part = built(conf_of(*words)), built(conf_of(*words, "mask.expression=GAL060"))
    assert part.mask.pixels.size < NPIX
    np.testing.assert_array_equal(part.noise(1), whole.noise(1)[..., part.mask.pixels])
    twice, none = (built(conf_of(*words, f"noise.ratio={r}")) for r in (2, 0))
    np.testing.assert_allclose(twice.noise(1), 2 * whole.noise(1), rtol=1e-14)
    np.testing.assert_array_equal(twice.problem.inverse_sigma, whole.problem.inverse_sigma)
    assert none.noise is None


def test_a_floor_holds_for_pixels_without_hits_too(tmp_path: Path) -> None:
    hits = np.where(np.arange(NPIX) < 3, [[0.0], [hp.UNSEEN]], 100.0)
    for one in hits:
        path = write(tmp_path / "h.npz", hits=one)
        with pytest.raises(
            ConfigError, match=r"3 pixels inside the mask have no hits, first 0; .*"
        ):
            built(conf_of("noise=hits", path))
        root = noise_of(conf_of("noise=hits", path, "noise.floor=0.25")).root
        np.testing.assert_array_equal(root[0, 0], np.where(np.arange(NPIX) < 3, 2.0, 1.0))


def test_the_one_map_of_hits_beside_others_or_one_a_band(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    each = rng.uniform(1, 2, (BANDS, NPIX))
    path = tmp_path / "h.fits"
    hp.write_map(path, [each[0], 1e6 * each[1], each[2]], column_names=["I", "HITS", "Q"])
    root = noise_of(conf_of("noise=hits", f"noise.path={path}")).root
    np.testing.assert_allclose(root[0, 0], (each[1] / each[1].max()) ** -0.5, rtol=1e-6)
    words = ("noise=hits", write(tmp_path / "h.npz", **{f"b{i}": v for i, v in enumerate(each)}))
    root = noise_of(conf_of(*words, "noise.loss=1")).root
    np.testing.assert_allclose(root[:, 0], (each / each.max(axis=1)[:, None]) ** -0.5, rtol=1e-15)


@pytest.mark.parametrize(
    ("maps", "problem"),
    [
        ({"a": np.ones(NPIX), "b": np.ones(NPIX)}, "has a, b; expected one map of hits, or 6, one"),
        ({"hits": np.ones(12)}, "`hits`: map has nside 1, config 4"),
        ({"hits": -np.ones(NPIX)}, "hits are from -1 to -1, expected them at least 0"),
    ],
)
def test_what_is_no_map_of_hits_is_refused(maps: dict, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path / "h.npz", **maps)
    with pytest.raises(ConfigError, match=rf"noise.path = .*h.npz: {problem}"):
        built(conf_of("noise=hits", path))


def test_the_file_is_part_of_the_identity_by_its_content(tmp_path: Path) -> None:
    def of(name: str, hits: np.ndarray, *words: str) -> str:
        return identity(conf_of("noise=hits", write(tmp_path / name, hits=hits), *words))

    one = of("a.npz", patch(0.5))
    assert one == of("b.npz", patch(0.5))
    others = [of("c.npz", patch(0.6)), of("a.npz", patch(0.5), "noise.floor=0.1")]
    assert len({one, *others, identity(conf_of("noise=white"))}) == 4


def test_bands_that_differ_are_refused_or_weighed_by_classes(tmp_path: Path) -> None:
    each = {f"b{i}": 1 + patch(0.4 + 0.15 * i) for i in range(BANDS)}
    words = ("noise=hits", write(tmp_path / "h.npz", **each))
    with pytest.raises(ConfigError, match=r"noise.classes = 1: .* lose \d+ % .* noise.loss=0\.\d+"):
        build_weights(conf_of(*words, "noise.classes=1"))
    weights: Any
    weights, lost = build_weights(conf_of(*words))
    assert 1 < lost.classes <= 64
    assert lost.share <= 0.01
    assert weights.bands.shape == (lost.classes, BANDS)
    _, by_pixels = build_weights(conf_of(*words, "noise.classes=pixels"))
    assert by_pixels.share < 1e-12
    setup = built(conf_of(*words, "noise.classes=pixels"))
    variance = 1 / (
        setup.problem.inverse_sigma[:, None]
        * setup.problem.weights.bands[setup.problem.weights.label].T
        * setup.problem.weights.stokes
    )
    exact = noise_of(conf_of(*words))
    np.testing.assert_allclose(variance, exact.sigma[:, None] * exact.root[:, 0], rtol=1e-12)
