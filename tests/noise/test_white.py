import hashlib
import os
import subprocess
import sys

import healpy as hp
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.instrument import Instrument
from sweep.noise import white_noise, white_noise_at

NSIDE = 16
NPIX = hp.nside2npix(NSIDE)
SIGMA = np.array([1.0, 0.3, 3.0])
FIRST, DIGEST = [0.8392307097184645, -0.01201390203404475], "aa3399ae2662c19d"
"""Of the draw with seed 1, realisation 3, sigma 1 in three bands, nside 4: never to be changed."""


@pytest.fixture(autouse=True)
def double_precision():
    before = jnp.result_type(float) == jnp.float64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def test_shape_and_type():
    noise = white_noise(0, 3, SIGMA, NSIDE)
    assert noise.shape == (3, 2, NPIX)
    assert noise.dtype == jnp.float64


def test_formula():
    key = jax.random.fold_in(jax.random.key(7), 3)
    expected = jax.random.normal(key, (3, 2, NPIX), jnp.float64) * SIGMA[:, None, None]
    np.testing.assert_allclose(white_noise(7, 3, SIGMA, NSIDE), expected, rtol=1e-13)


def test_order_does_not_matter():
    forward = [np.asarray(white_noise(1, i, SIGMA, NSIDE)) for i in range(4)]
    backward = [np.asarray(white_noise(1, i, SIGMA, NSIDE)) for i in (3, 2, 1, 0)][::-1]
    np.testing.assert_array_equal(forward, backward)


@pytest.mark.parametrize("block", [range(0, 5), range(2, 4)])
def test_block_is_the_same_draw(block):
    together = jax.vmap(lambda i: white_noise(1, i, SIGMA, NSIDE))(jnp.array(block))
    single = [white_noise(1, i, SIGMA, NSIDE) for i in block]
    np.testing.assert_array_equal(together, single)


@pytest.mark.parametrize("seed", range(3))
def test_mask_is_the_same_draw(seed):
    pixels = np.flatnonzero(np.random.default_rng(seed).random(NPIX) < 0.3)
    full = white_noise(1, seed, SIGMA, NSIDE)
    np.testing.assert_array_equal(white_noise_at(1, seed, SIGMA, NSIDE, pixels), full[..., pixels])
    # vectors of pixels that leave an odd remainder must not change a digit either
    np.testing.assert_array_equal(
        white_noise_at(1, seed, SIGMA, NSIDE, pixels[:7]), full[..., pixels[:7]]
    )


def test_moments():
    noise = np.stack([white_noise(5, i, SIGMA, NSIDE) for i in range(20)])
    per_band = np.moveaxis(noise, 1, 0).reshape(3, -1)
    count = per_band.shape[1]
    np.testing.assert_allclose(per_band.std(axis=1), SIGMA, rtol=5 / np.sqrt(2 * count))
    assert np.all(np.abs(per_band.mean(axis=1)) < 5 * SIGMA / np.sqrt(count))
    correlation = np.corrcoef(np.moveaxis(noise, (1, 2), (0, 1)).reshape(6, -1))
    assert np.abs(correlation - np.eye(6)).max() < 5 / np.sqrt(count / 2)


def test_realisations_and_seeds_differ():
    draws = [
        np.asarray(white_noise(seed, i, SIGMA, NSIDE)).ravel() for seed in (0, 1) for i in (0, 1, 2)
    ]
    correlation = np.corrcoef(draws) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(draws[0].size)


def test_pixel_size_scaling():
    instrument = Instrument("a", np.array([100.0]), np.array([10.0]), "b", (), *[None] * 5)
    stds = [
        float(white_noise(0, 0, instrument.noise_sigma(nside), nside).std()) for nside in (16, 64)
    ]
    np.testing.assert_allclose(stds[1] / stds[0], 4, rtol=0.05)


SETTINGS = {
    "jax_threefry_partitionable": False,
    "jax_random_seed_offset": 5,
    "jax_default_prng_impl": "rbg",
}
"""What a caller may have set; each changes the numbers of `jax.random`, or their generator."""


def digest(noise):
    """Of a draw with 30 binary digits behind the point: processors round the last differently."""
    whole = np.rint(np.asarray(noise) * 2.0**30).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()[:16]


def test_the_numbers_are_those_of_every_version():
    noise = np.asarray(white_noise(1, 3, np.ones(3), 4))
    np.testing.assert_allclose(noise[0, 0, :2], FIRST, rtol=1e-13)
    assert digest(noise) == DIGEST


@pytest.fixture(params=SETTINGS)
def setting(request):
    """A setting of jax, made after a first draw, and by which numbers of jax.random are others."""
    name, value = request.param, SETTINGS[request.param]
    before = getattr(jax.config, name)
    expected = np.asarray(white_noise(1, 3, SIGMA, NSIDE))
    theirs = jax.random.normal(jax.random.key(0), (8,))
    jax.config.update(name, value)
    try:
        assert not np.array_equal(jax.random.normal(jax.random.key(0), (8,)), theirs)
        yield expected
    finally:
        jax.config.update(name, before)


def test_no_setting_of_jax_changes_a_draw(setting):
    """Issue, point 8: the draws depended on what the caller had set in jax."""
    np.testing.assert_array_equal(white_noise(1, 3, SIGMA, NSIDE), setting)
    pixels = np.arange(0, NPIX, 5)
    np.testing.assert_array_equal(white_noise_at(1, 3, SIGMA, NSIDE, pixels), setting[..., pixels])


def test_no_setting_of_jax_changes_a_draw_in_a_program_of_the_caller(setting):
    """jax.random reads a setting when such a program is lowered, after ours was traced."""
    compiled = jax.jit(jax.vmap(lambda i: white_noise(1, i, SIGMA, NSIDE)))
    np.testing.assert_allclose(compiled(jnp.arange(2, 4))[1], setting, rtol=1e-13)


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_of_the_environment_changes_a_draw(name):
    program = (
        "import sys, jax, numpy as np\n"
        "jax.config.update('jax_enable_x64', True)\n"
        "from sweep.noise import white_noise\n"
        "sys.stdout.buffer.write(np.asarray(white_noise(1, 3, np.ones(3), 4)).tobytes())"
    )
    env = os.environ | {name.upper(): str(SETTINGS[name])}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True)
    assert digest(np.frombuffer(done.stdout)) == DIGEST


def test_single_precision_is_refused():
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(ConfigError, match="jax.enable_x64"):
        white_noise(0, 0, SIGMA, NSIDE)
