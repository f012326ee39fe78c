"""Errors of parameters: the dense inverse, and the scatter of fits over noise."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweep
from sweep.errors import ConfigError
from sweep.results import parameter_errors
from sweep.statistics import curvature
from sweep.statistics.curvature import described, errors_of, second_order
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.fitted import Fitted, fitted
from sweep.testing.small import run, small
from sweep.types import Status
from tests.problems import PARAMETERS, TRUTH, problem_and_signal
from tests.small import write_templates
from tests.statistics.fits import at, box, gradient_of, hessian_of, near

COUNTS = [
    ({"beta_dust": 7, "temp_dust": 5, "beta_pl": 3}, "cells"),
    ({"beta_dust": 7, "temp_dust": 5, "beta_pl": 3}, "pixels"),
    ({"beta_dust": 3, "temp_dust": 4, "beta_pl": 9}, "cells"),
]


def dense_covariance(
    fit: Fitted, maps: jax.Array, left_out: tuple[int, ...] = ()
) -> dict[str, np.ndarray]:
    """Diagonal of twice the inverse of the Hessian by automatic differentiation."""
    hessian = hessian_of(fit, maps)
    kept = np.setdiff1d(np.arange(len(hessian)), left_out)
    variance = np.full(len(hessian), np.nan)
    variance[kept] = np.diag(2 * np.linalg.inv(hessian[np.ix_(kept, kept)]))
    sizes = [fit.params[p].size for p in PARAMETERS]
    return dict(zip(PARAMETERS, np.split(variance, np.cumsum(sizes)[:-1]), strict=True))


@pytest.mark.parametrize(("counts", "form"), COUNTS)
def test_errors_are_those_of_the_dense_inverse(counts: dict[str, int], form: str) -> None:
    maps, fit = near(counts, form)
    assert np.linalg.eigvalsh(hessian_of(fit, maps))[0] > 0
    expected = dense_covariance(fit, maps)
    found = errors_of(fit)
    for p in PARAMETERS:
        assert found[p].shape == (counts[p],)
        np.testing.assert_allclose(found[p], np.sqrt(expected[p]), rtol=1e-8)


def test_gradient_and_hessian_are_the_dense_ones() -> None:
    """Away from a minimum: there, temperature is more than a factor away from its inverse."""
    maps, fit = near(*COUNTS[0])
    gradient, hessian = second_order(fit)
    dense = hessian_of(fit, maps)
    np.testing.assert_allclose(hessian.toarray(), dense, rtol=1e-8, atol=1e-8 * np.abs(dense).max())
    slope = gradient_of(fit, maps)
    expected = np.concatenate([slope[p] for p in PARAMETERS])
    assert np.abs(expected).max() > 100
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)


@pytest.fixture(scope="module", name="store")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 realisations and the noise-free fit, of a sky with constant parameters."""
    folder = tmp_path_factory.mktemp("scatter")
    conf = small(
        "sky=templates",
        "sky.nside=4",
        f"sky.path='{write_templates(folder / 'sky.npz')}'",
        "clusters.beta_dust=3",
        "clusters.temp_dust=2",
        "clusters.beta_pl=2",
        "solver=newton",
        "noise.realisations=300",
        "noise.noiseless=true",
        "fit.block=301",
        store=folder / "scatter.zarr",
    )
    run([conf])
    return folder / "scatter.zarr"


def test_fits_scatter_by_their_errors(store: Path) -> None:
    ds = sweep.open(store)
    assert np.all(ds["status"] == Status.CONVERGED)
    predicted = parameter_errors(ds, 0, -1)
    alone = dict(
        zip(
            PARAMETERS,
            np.split(
                np.sqrt(2 / second_order(fitted(ExperimentView(ds, 0), -1))[1].diagonal()), [3, 5]
            ),
            strict=True,
        )
    )
    noisy_fits = ds.isel(experiment=0).sel(realisation=slice(0, None))
    for p, sigma in predicted.items():
        scatter = noisy_fits[p].values.std(axis=0, ddof=1)
        print(p, "scatter over error", np.round(scatter / sigma, 3))
        # seven parameters: the largest of seven normal deviates passes 3.5 once in 300 seeds
        assert np.all(np.abs(scatter / sigma - 1) < 3.5 / np.sqrt(2 * 299))
    # errors with the others held would not do: the parameters of dust stand in for each other
    assert np.all(predicted["beta_dust"] > 1.5 * alone["beta_dust"])
    assert np.all(predicted["temp_dust"] > 1.5 * alone["temp_dust"])


def test_errors_hardly_depend_on_the_realisation(store: Path) -> None:
    ds = sweep.open(store)
    for p, sigma in parameter_errors(ds, 0, 3).items():
        np.testing.assert_allclose(sigma, parameter_errors(ds, 0, -1)[p], rtol=0.1)


def test_a_cluster_that_pushes_against_its_end_has_no_error() -> None:
    """The others are as if it were known; one that touches its end and pulls inwards is free."""
    maps, fit = near(*COUNTS[0])
    gradient, _ = second_order(fit)
    down, up = (int(np.flatnonzero(sign * gradient[:7] > 0)[0]) for sign in (1, -1))
    both = jnp.array([down, up])
    at_end = {}
    for name, ends in (("low", fit.low), ("high", fit.high)):
        values = ends["beta_dust"].at[both].set(fit.params["beta_dust"][both])
        at_end[name] = {**ends, "beta_dust": values}
    free = errors_of(fit)
    for name, pushing in (("low", down), ("high", up)):
        found = errors_of(replace(fit, **{name: at_end[name]}))
        expected = dense_covariance(fit, maps, left_out=(pushing,))
        assert np.flatnonzero(np.isnan(found["beta_dust"])).tolist() == [pushing]
        for p in PARAMETERS:
            np.testing.assert_allclose(found[p], np.sqrt(expected[p]), rtol=1e-8)
            assert not np.any(found[p] > free[p])


def test_what_the_data_leave_free_has_an_infinite_error() -> None:
    problem, signal, cmb = problem_and_signal()
    ends = box(problem)
    nothing = errors_of(at(problem, jnp.broadcast_to(cmb, signal.shape), ends.start, ends))
    assert all(np.all(np.isinf(v)) for v in nothing.values())
    kept = np.asarray(problem.labels["beta_dust"]) != 1
    one = errors_of(at(problem, jnp.where(kept, signal, cmb), TRUTH, ends))
    full = errors_of(at(problem, signal, TRUTH, ends))
    assert np.flatnonzero(np.isinf(one["beta_dust"])).tolist() == [1]
    for p in PARAMETERS:  # fewer data, no smaller errors
        assert np.all(one[p] > (1 - 1e-6) * full[p])
        assert np.all(np.isfinite(full[p]))


def test_a_saddle_has_no_errors() -> None:
    maps, fit = near(*COUNTS[0])
    params = {
        p: jnp.full_like(v, {"beta_dust": 3.0, "temp_dust": 7.0}.get(p, -3.0))
        for p, v in fit.params.items()
    }
    saddle = replace(fit, params=params)
    assert np.linalg.eigvalsh(hessian_of(saddle, maps))[0] < 0
    assert all(np.all(np.isnan(v)) for v in errors_of(saddle).values())


def test_too_many_clusters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, fit = near(*COUNTS[0])
    monkeypatch.setattr(curvature, "MOST_CLUSTERS", 7)
    with pytest.raises(ConfigError, match="7 of beta_dust, 5 of temp_dust, 3 of beta_pl") as caught:
        errors_of(fit)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(curvature, "MOST_CLUSTERS", 8)
    errors_of(fit)


def test_many_clusters_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    _, fit = near(*COUNTS[0])
    whole = errors_of(fit)
    monkeypatch.setattr(curvature, "_AT_A_TIME", 3)
    for p, values in errors_of(fit).items():
        np.testing.assert_allclose(values, whole[p], rtol=1e-12)


def test_errors_are_described_in_a_line_each() -> None:
    lines = described(
        {
            "beta_dust": np.array([0.01, 0.02, 0.03]),
            "temp_dust": np.array([1.0, np.nan, np.inf]),
            "beta_pl": np.full(2, np.nan),
        }
    )
    assert lines[0].startswith("error of beta_dust: median 0.02, ")
    assert lines[0].endswith("3 of 3 clusters")
    assert "median 1 K" in lines[1]
    assert lines[1].endswith(
        "1 of 3 clusters; 1 held by an end of their box; 1 free over their box"
    )
    assert lines[2].startswith("error of beta_pl: 0 of 2 clusters; it is fixed, all are held by")
