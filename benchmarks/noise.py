"""Noise that differs from pixel to pixel: what weights lose, and whether errors are right.

A patch as a survey from the ground sees it: hits fall off from a centre, with scatter from pixel to
pixel. In `one pattern` all bands have the same hits. In `bands differ` each has a width and a
centre of its own, as fields of view of different size make them. `q and u` is an rms of Q and U
apart, with a correlation that differs from pixel to pixel.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import healpy as hp
import numpy as np

import sweep
from benchmarks.pulls import LIMIT, SKY, WIDTH, _row, measure
from benchmarks.record import keep
from benchmarks.standard import PARAMETERS
from sweep.assemble.data import build_instrument
from sweep.assemble.noise import build_noise
from sweep.assemble.setup import build
from sweep.assemble.weights import start_spectra
from sweep.jax_session import jax_session
from sweep.noise.loss import precision_lost
from sweep.noise.weights import EACH, Weights, weights_of
from sweep.worker import fit_experiment

CLASSES = (1, 2, 4, 8, 16, EACH)

FITS = 300
"""Of a case of pulls."""

STRENGTH = 10
"""Of the foregrounds of pulls: the likelihood is a parabola there."""

BANDS = {"so_sat": 6, "litebird": 15}


def main() -> None:
    """Losses, pulls, and two solvers."""
    with TemporaryDirectory() as folder, jax_session():
        lost = losses(Path(folder))
        cases = ("one pattern", "bands differ", "q and u")
        errors = [row for name in cases for row in pulls(folder, name)]
        apart = [solvers(folder, name) for name in ("one pattern", "bands differ")]
    keep("noise", errors, losses=lost, solvers=apart)
    for row in (*lost, *apart):
        print(row)
    if wrong := [f"{r['noise']}, {r['parameter']}" for r in errors if r["farthest"] > LIMIT]:
        sys.exit(f"pulls farther off than {LIMIT} standard errors: {'; '.join(wrong)}")


def hits(nside: int, bands: int, differ: bool, scatter: float = 0.1) -> np.ndarray:
    """Hits over the largest, shape (band, npix)."""
    rng, pixels = np.random.default_rng(7), np.arange(hp.nside2npix(nside))
    found = []
    for band in range(bands):
        share = band / (bands - 1) if differ else 0.5
        centre = hp.ang2vec(np.radians(55 + 6 * share), np.radians(200 - 10 * share))
        apart = np.arccos(np.clip(centre @ np.array(hp.pix2vec(nside, pixels)), -1, 1))
        found.append(np.exp(-0.5 * (apart / (0.45 - 0.1 * share)) ** 2))
    rough = np.exp(scatter * rng.standard_normal((bands if differ else 1, pixels.size)))
    return np.array(found) * rough


def losses(folder: Path) -> list[dict[str, Any]]:
    """Share of precision that is lost where hits are at least a tenth of the most, nside 64."""
    nside, rows = 64, []
    for name in ("one pattern", "bands differ"):
        maps = hits(nside, BANDS["so_sat"], name == "bands differ")
        np.savez(folder / "h.npz", **{f"b{i}": one for i, one in enumerate(maps)})
        np.savez(folder / "m.npz", seen=(maps / maps.max(axis=1)[:, None] > 0.1).all(axis=0))
        conf = sweep.compose(
            [
                f"sky.nside={nside}",
                "instrument=so_sat",
                f"mask.path={folder / 'm.npz'}",
                "mask.expression=seen",
                "noise=hits",
                f"noise.path={folder / 'h.npz'}",
            ]
        )
        noise, (spectra, names) = build_noise(conf), start_spectra(conf)
        assert noise.root is not None
        levels = np.exp(np.log(noise.root).mean(axis=(1, 2))) * noise.sigma
        choices = {"pixels alike": Weights(levels, None, None, None)}
        choices |= {f"{n or 'own'} classes": weights_of(noise, n) for n in CLASSES}
        for choice, weights in choices.items():
            share = dict(zip(names, precision_lost(noise, weights, spectra), strict=True))
            shares = {key: float(value) for key, value in share.items()}
            rows.append({"noise": name, "weights": choice, **shares})
    return rows


def words_of(folder: str | Path, name: str, nside: int) -> list[str]:
    """Settings of a noise for LiteBIRD's bands on the whole sphere, and its file."""
    maps = np.maximum(hits(nside, BANDS["litebird"], name == "bands differ"), 0.05)
    if name != "q and u":
        path = Path(folder) / f"{name}.npz"
        np.savez(path, **{f"b{i}": one for i, one in enumerate(maps)})
        return ["noise=hits", f"noise.path={path}"]
    of_band, rng = build_instrument(sweep.compose([f"sky.nside={nside}"])), np.random.default_rng(8)
    correlation, ratio = rng.uniform(-0.7, 0.7, maps.shape[1]), rng.uniform(0.7, 1.4, maps.shape[1])
    for band, sigma in zip(of_band.band, of_band.noise_sigma(nside), strict=True):
        qq = sigma**2 / maps[0]
        np.savez(
            Path(folder) / f"cov_{band}.npz",
            QQ=qq,
            QU=correlation * ratio * qq,
            UU=ratio**2 * qq,
            unit="uK_CMB^2",
        )
    return ["noise=rms", f'noise.path="{folder}/cov_{{band}}.npz"']


def pulls(folder: str | Path, name: str) -> list[dict[str, Any]]:
    """Pulls of parameters and of all together, as in the benchmark `pulls`."""
    setup = build(sweep.compose([*SKY, *words_of(folder, name, 8)]))
    start = sweep.compose(list(SKY)).parameters
    draw = {p: (float(getattr(start, p).start), width / STRENGTH) for p, width in WIDTH.items()}
    miss, covariance = measure(setup, draw, {}, FITS, 0, STRENGTH)
    ends = np.cumsum([0, *setup.counts.values()])
    parts = {p: slice(*ends[i : i + 2]) for i, p in enumerate(PARAMETERS)} | {"all": slice(None)}
    return [
        {"noise": name, "parameter": p, **_row(miss[:, at], covariance[:, at, at], True)}
        for p, at in parts.items()
    ]


def solvers(folder: str | Path, name: str) -> dict[str, Any]:
    """How far newton and optax's L-BFGS end apart, nside 16."""
    words = ["sky.nside=16", "clusters.beta_dust=20", "clusters.temp_dust=4", "clusters.beta_pl=4"]
    words += words_of(folder, name, 16)
    one, other = (
        fit_experiment(sweep.compose([*words, *solver]), (0, 1, 2))
        for solver in (["solver=newton"], ["solver=optax_lbfgs", "solver.max_steps=5000"])
    )
    rows: dict[str, Any] = {"noise": name, "nll": float(np.max(np.abs(one.nll - other.nll)))}
    for p in PARAMETERS:
        rows[p] = float(np.max(np.abs(one.params[p] - other.params[p])))
    rows["cmb"] = float(np.max(np.abs(one.cmb - other.cmb)))
    rows["converged"] = [one.status.tolist(), other.status.tolist()]
    return rows


if __name__ == "__main__":
    main()
