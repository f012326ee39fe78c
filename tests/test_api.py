import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from sweep.cli import run, store
from sweep.errors import ConfigError, IncompleteError, StoreError
from sweep.results import parameter_errors, perturbations, residual_maps
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import cluster_maps
from sweep.testing.small import grid, small


@pytest.mark.parametrize("main", [run.main, store.main])
def test_the_version_is_the_installed_one(
    main: Callable[[], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 17, point 9."""
    assert sweep.__version__ == version("skysweep")
    monkeypatch.setattr(sys, "argv", ["command", "--version"])
    with suppress(SystemExit):  # of argparse, with 0
        main()
    assert capsys.readouterr().out == f"skysweep {sweep.__version__}\n"


def test_what_is_run_is_what_is_opened(tmp_path: Path) -> None:
    conf = small(store=tmp_path / "a.zarr")
    result = sweep.run(conf)
    np.testing.assert_array_equal(result["nll"], sweep.open(tmp_path / "a.zarr")["nll"])
    assert result["nll"].attrs["units"] == "1"
    assert result["cmb_variance"].attrs["units"] == "uK^2"
    assert result.sizes["realisation"] == 2


@pytest.fixture
def single_precision() -> Iterator[None]:
    """A session that imported jax before sweep, or chose so."""
    jax.config.update("jax_enable_x64", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize("solver", ["scipy_tnc", "newton"])
@pytest.mark.usefixtures("single_precision")
def test_settings_of_the_session_stay_and_do_not_matter(tmp_path: Path, solver: str) -> None:
    """Issue, point 8: sweep.run changed the session's precision, and failed in one set back."""
    words = (f"solver={solver}", "clusters.method=jax_healpy", "noise.noiseless=true")

    def results(name: str) -> list[np.ndarray]:
        conf = small(*words, f"store.cache={tmp_path / name}", store=tmp_path / f"{name}.zarr")
        ds = sweep.run(conf)
        found = [ds[v].values for v in ("nll", "cmb_variance", "beta_dust")]
        found += [np.asarray(sweep.build(conf).maps((0, 1)))]
        found += [
            *parameter_errors(ds, 0, 0).values(),
            *cluster_maps(ExperimentView(ds, 0)).values(),
        ]
        return [
            *found,
            residual_maps(ds, 0).mean,
            perturbations(ds, 0, steps=2).nll_difference.values,
        ]

    before = dict(jax.config.values)
    here = results("single")
    assert dict(jax.config.values) == before
    assert jnp.ones(1).dtype == np.float32
    with jax.enable_x64(True):
        there = results("double")
    for one, other in zip(here, there, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)


def test_a_plan_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plan=true is of the command"):
        sweep.run(small("plan=true", store=tmp_path / "a.zarr"))
    assert list(tmp_path.iterdir()) == []


def test_experiments_come_in_the_order_asked_for_and_alone(small_store: Path) -> None:
    two, one = grid(small_store, "noise.ratio=2", "noise.ratio=1")
    assert sweep.run([two, one, two])["noise.ratio"].values.tolist() == [2.0, 1.0]
    assert sweep.run(one)["noise.ratio"].values.tolist() == [1.0]


def test_a_failed_unit_raises_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep.worker as worker

    fit = worker.fit_experiment

    def failing(conf, realisations):  # noqa: ANN001, ANN202
        if realisations == (1,):
            raise ValueError("planted")
        return fit(conf, realisations)

    monkeypatch.setattr(worker, "fit_experiment", failing)
    with pytest.raises(IncompleteError, match="1 of 2 units failed: ValueError: planted"):
        sweep.run(small(store=tmp_path / "a.zarr"))
    status = sweep.open(tmp_path / "a.zarr")["status"].values
    assert (status > 0).tolist() == [[True, False]]


def test_what_is_no_store_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        sweep.open(tmp_path / "a.zarr")


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'newton'"):
        _ = sweep.newton  # pyright: ignore[reportAttributeAccessIssue]
    assert set(sweep.__all__) == {"build", "compose", "open", "run"}
