"""The skies of benchmarks: d1s1, the embedded sky, and d1s1 made rougher, shifted or of other laws.

Skies made from d1s1 are template files in the user's cache, named by what they are made from. What
no template file can hold, the emission of `wrong_law` that no fit has a law for, is added to the
signal of a `Setup`. The CMB is d1s1's in all of them but the embedded sky's.
"""

import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import healpy as hp
import numpy as np

import sweep
from benchmarks.real import MASKS, SKY, check_data
from sweep.assemble.setup import Setup, build
from sweep.cache import Arrays, digest, file_digest
from sweep.config import SweepConf
from sweep.sky import ParametricForegrounds, Sky
from sweep.units import FloatArray, modified_black_body, power_law, rj_to_cmb

VERSION = 1
"""Of the recipes below: raise it with any change to what they make."""

WRONG_LAW = "wrong_law"

ROUGHNESS = 0.2
"""Standard deviation of the dust index from pixel to pixel, that is from degree to degree."""

PLANE, POLES = -2.75, -3.15
"""Mean synchrotron index of `rough` at |sin b| = 0 and 1, linear in between."""

SHIFTED_MEANS = {"beta_dust": 1.74, "beta_pl": -3.2, "temp_dust": 24.0}
"""Means over GAL060, of d1s1 1.53, -2.99 and 22.1 K; fits start at 1.54, -3.0 and 20 K."""

CURVATURE, PIVOT = -0.052, 23.0
"""Of the synchrotron of `wrong_law`, at GHz: Kogut 2012 (arXiv:1205.4041), as PySM's s3."""

DRAWN = {
    "beta_dust": (1.57, 0.08),
    "temp_dust": (19.0, 2.0),
    "beta_pl": (-3.08, 0.12),
}
"""Mean and standard deviation of the parameters of `drawn`, Gaussian fields of C_l (l + 5)^-2.4."""

COLD_SHARE, COLD_INDEX, COLD_TEMPERATURE, COLD_ANGLE = 0.1, 1.6, 10.0, 20.0
"""Second dust of `wrong_law`: its share at 353 GHz, index, temperature in K, and the angle in
degrees by which its polarisation is turned against d1's."""


def sky(name: str, *overrides: str) -> SweepConf:
    """An experiment at nside 64 on one of `SKIES`; `overrides` win.

    Planck's masks go with d1s1 and what is made from it. The embedded sky has its own.

    Raises:
        NoData: d1s1 is not there.
    """
    if name == "synthetic":
        return sweep.compose(["sky=synthetic", *overrides])
    check_data()
    path = template_file(name)
    return sweep.compose(
        ["sky=templates", f"sky.path='{path}'", f"mask.path='{MASKS}'", *overrides]
    )


def sky_setup(name: str, *overrides: str) -> Setup:
    """The same, built; with the emission that no template file holds."""
    setup = build(sky(name, *overrides))
    if name != WRONG_LAW:
        return setup
    assert isinstance(setup.sky, Sky)
    extra = unmodelled(setup.sky.model, setup.instrument.frequency)[..., setup.mask.pixels]
    signal = setup.signal(0) + extra
    return replace(setup, signal=lambda realisation: signal)


@lru_cache(maxsize=8)
def template_file(name: str) -> Path:
    """The templates of a sky that is made from d1s1; written where they are not there yet."""
    if name not in _RECIPES:
        return SKY
    content = digest({"sky": name, "version": VERSION, "from": file_digest(SKY)})[:12]
    path = Path(str(sweep.compose([]).store.cache)) / f"matrix-{name}-{content}.npz"
    if not path.exists():
        with np.load(SKY) as held:
            templates = {key: held[key] for key in held.files}
        partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(partial, **templates | _RECIPES[name](templates))  # pyright: ignore[reportArgumentType]
        os.replace(partial, path)
    return path


def unmodelled(model: object, frequency: FloatArray) -> FloatArray:
    """What `wrong_law` adds to d1s1: uK_CMB at frequencies in GHz (F,), shape (F, 2, npix).

    Synchrotron bends, and a colder dust, polarised elsewhere, is added to the first: amplitudes at
    the reference frequencies of d1s1 stay those of synchrotron, and of dust but for its tenth.
    """
    assert isinstance(model, ParametricForegrounds)
    straight = power_law(frequency, model.synchrotron_nu0, model.beta_pl)
    ratio, pivots = frequency / model.synchrotron_nu0, frequency / PIVOT
    bend = ratio ** (CURVATURE * np.log(pivots)) - 1
    cold = modified_black_body(frequency, model.dust_nu0, COLD_INDEX, COLD_TEMPERATURE)
    turn = np.exp(2j * np.radians(COLD_ANGLE)) * (model.dust[0] + 1j * model.dust[1])
    turned = COLD_SHARE * np.stack([turn.real, turn.imag])
    added = (straight * bend[:, None])[:, None] * model.synchrotron
    added = added + cold[:, None, None] * turned
    return rj_to_cmb(frequency)[:, None, None] * added


def _rough(templates: Arrays) -> Arrays:
    beta_dust, beta_pl = templates["beta_dust"], templates["beta_pl"]
    nside = hp.npix2nside(beta_dust.size)
    rng = np.random.default_rng([VERSION, 0])
    height = np.abs(hp.pix2vec(nside, np.arange(beta_dust.size))[2])
    return {
        "beta_dust": beta_dust + ROUGHNESS * rng.standard_normal(beta_dust.size),
        "beta_pl": beta_pl - beta_pl.mean() + PLANE + (POLES - PLANE) * height,
    }


def _shifted(*names: str) -> Callable[[Arrays], Arrays]:
    def recipe(templates: Arrays) -> Arrays:
        with np.load(MASKS) as masks:
            kept = masks["GAL060"]
        return {n: templates[n] - templates[n][kept].mean() + SHIFTED_MEANS[n] for n in names}

    return recipe


def _drawn(templates: Arrays) -> Arrays:
    nside = hp.npix2nside(templates["beta_dust"].size)
    rng = np.random.default_rng([VERSION, 20261201])
    ell, _ = hp.Alm.getlm(lmax := 2 * nside)
    fields = {}
    for name, (mean, deviation) in DRAWN.items():
        alm = rng.standard_normal((2, ell.size)) * (ell + 5.0) ** -1.2
        field = hp.alm2map(alm[0] + 1j * alm[1], nside, lmax=lmax)
        fields[name] = mean + deviation * (field - field.mean()) / field.std()
    return fields


_RECIPES: dict[str, Callable[[Arrays], Arrays]] = {
    "rough": _rough,
    "shifted_index": _shifted("beta_dust", "beta_pl"),
    "shifted_temperature": _shifted("temp_dust"),
    "drawn": _drawn,
}

SKIES = ("d1s1", "synthetic", "rough", "shifted_index", "shifted_temperature", WRONG_LAW)
"""Of the matrix; on `drawn` nothing is tuned: it is for what is looked at once, at the end."""
