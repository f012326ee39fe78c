"""Whole experiments with noise of every kind: solvers, stores, and what is drawn again."""

from pathlib import Path

import numpy as np
import pytest

from sweep.assemble.setup import build
from sweep.engines import LocalEngine
from sweep.jax_session import jax_session
from sweep.memory import block_bytes
from sweep.progress import Progress
from sweep.session import Request
from sweep.session.preparation import prepare
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.recovered import recovered_cmb
from sweep.store import open_dataset
from sweep.testing.small import run
from sweep.worker import fit_experiment
from tests.noise.cases import BANDS, NPIX, built, conf_of, patch, write

KNEE = ("noise=knee", "instrument.ell_knee=[30,30,50,50,70,100]", "noise.lowest=4")
SLOPE = "instrument.alpha_knee=[-2.4,-2.4,-2.5,-3,-3,-3]"


def words_of(kind: str, folder: Path) -> list[str]:
    if kind == "hits":
        return ["noise=hits", write(folder / "h.npz", hits=50 + patch(0.5))]
    if kind == "classes":
        each = {f"b{i}": 50 + patch(0.4 + 0.15 * i) for i in range(BANDS)}
        return ["noise=hits", write(folder / "c.npz", **each), "noise.classes=3", "noise.loss=1"]
    if kind == "pixels":
        return [*words_of("classes", folder), "noise.classes=pixels"]
    if kind == "rms":
        rms = {f"b{i}": 0.1 + 0.02 * i + 1e-4 * np.arange(NPIX) for i in range(BANDS)}
        return ["noise=rms", write(folder / "r.npz", unit="uK_CMB", **rms), "noise.loss=1"]
    return [*KNEE, SLOPE]


SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    "kind",
    [pytest.param("hits", marks=SOAK), "classes", pytest.param("pixels", marks=SOAK), "knee"],
)
def test_newton_ends_where_lbfgs_ends(kind: str, tmp_path: Path) -> None:
    words = words_of(kind, tmp_path)
    with jax_session():
        one, other = (
            fit_experiment(conf_of(*words, *solver), (0, 1))
            for solver in (["solver=newton"], ["solver=optax_lbfgs", "solver.max_steps=3000"])
        )
    assert one.status.tolist() == other.status.tolist() == [1, 1]
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-12)
    for p, values in one.params.items():
        np.testing.assert_allclose(values, other.params[p], rtol=1e-6)
    np.testing.assert_allclose(one.cmb, other.cmb, rtol=1e-5, atol=1e-6)


@SOAK
def test_furax_sees_the_same_noise(tmp_path: Path) -> None:
    words = [*words_of("classes", tmp_path), "solver=optax_lbfgs", "solver.max_steps=3000"]
    with jax_session():
        one, other = (
            fit_experiment(conf_of(*words, f"fit.likelihood={k}"), (0,))
            for k in ("direct", "furax")
        )
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-12)
    np.testing.assert_allclose(one.params["beta_dust"], other.params["beta_dust"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["hits", "classes", "rms", "knee"])
def test_maps_of_a_store_are_made_again(kind: str, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    words = [*words_of(kind, tmp_path), f"store.path={store}", "noise.realisations=2"]
    run([conf_of(*words, "store.maps=float64")])
    view = ExperimentView(open_dataset(store), 0)
    kept = view.stored["cmb"].values
    without = ExperimentView(view.ds.drop_vars("cmb"), 0)
    again = recovered_cmb(without, [0, 1])
    np.testing.assert_allclose(again, kept, rtol=1e-9, atol=1e-9 * float(np.std(kept)))


def test_what_is_lost_is_said_in_a_line_and_memory_is_known(tmp_path: Path) -> None:
    said: list[str] = []

    class Notes(Progress):
        def note(self, line: str) -> None:
            said.append(line)

    conf = conf_of(*words_of("classes", tmp_path), f"store.path={tmp_path / 's.zarr'}")
    with jax_session():
        prepare(Request([conf], LocalEngine(0)), Notes(None))
        setup = build(conf)
        needs = block_bytes(setup.solver, setup.objective, setup.problem, setup.bounds)
        assert 0 < needs(1) < needs(4)
    (line,) = [text for text in said if text.startswith("noise: ")]
    assert line.startswith("noise: weights of 3 classes of pixels lose at most ")
    assert line.endswith((" of beta_dust", " of beta_pl", " of the CMB"))


def test_maps_in_single_precision_are_fitted_as_well(tmp_path: Path) -> None:
    words = words_of("classes", tmp_path)
    with jax_session():
        one, other = (
            fit_experiment(conf_of(*words, f"fit.precision={kind}"), (0,))
            for kind in ("float64", "float32")
        )
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-5)


def test_maps_from_files_are_weighed_by_their_hits(tmp_path: Path) -> None:
    words = words_of("classes", tmp_path)
    with jax_session():
        seen = np.asarray(built(conf_of(*words)).maps((0,)))[0]
        for nu, (q, u) in zip((27, 39, 93, 145, 225, 280), seen, strict=True):
            write(tmp_path / f"{nu}.npz", Q=q, U=u, unit="uK_CMB")
        read = ("sky=maps", f'sky.path="{tmp_path}/{{band}}.npz"', "noise.realisations=1")
        setup = built(conf_of(*read, *words))
        assert setup.noise is None
        one, other = (fit_experiment(conf_of(*more, *words), (0,)) for more in (read, ()))
    np.testing.assert_allclose(one.nll, other.nll, rtol=1e-12)
    np.testing.assert_allclose(one.cmb, other.cmb, rtol=1e-8, atol=1e-8)
