"""The surroundings of a fit: against plain algebra, and what is said of good and of bad fits."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.assemble.setup import build
from sweep.cli.store import main
from sweep.errors import ConfigError
from sweep.results import perturbations
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.fitted import Fitted, fitted
from sweep.statistics.optimum import Check, about, verdict
from sweep.testing.small import run, small
from sweep.types import Status
from tests.problems import PARAMETERS
from tests.small import write_templates
from tests.statistics.fits import gradient_of, hessian_of, near, value_of

COUNTS = {"beta_dust": 7, "temp_dust": 5, "beta_pl": 3}


def of_file(sky: Path) -> tuple[str, ...]:
    return "sky=templates", "sky.nside=4", f"sky.path='{sky}'"


@pytest.fixture(scope="module", name="store")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sky by newton, and by a solver that stops early."""
    folder = tmp_path_factory.mktemp("optimum")
    sky = write_templates(folder / "sky.npz")
    for solver in (("solver=newton",), ("solver=scipy_tnc", "solver.max_steps=1")):
        run([small(*of_file(sky), "noise.realisations=1", *solver, store=folder / "a.zarr")])
    return folder / "a.zarr"


@pytest.fixture(scope="module", name="good")
def _good(store: Path) -> xr.Dataset:
    return perturbations(sweep.open(store), 0)


@pytest.fixture(scope="module", name="bad")
def _bad(store: Path) -> xr.Dataset:
    return perturbations(sweep.open(store), 1)


@pytest.fixture(scope="module", name="point")
def _point() -> tuple[jax.Array, Fitted]:
    return near(COUNTS)


def moved(fit: Fitted, shifted: str, shift: float) -> Fitted:
    params = {
        p: jnp.clip(v + shift * (shifted in ("all", p)), fit.low[p], fit.high[p])
        for p, v in fit.params.items()
    }
    return replace(fit, params=params)


def test_values_and_gradients_are_those_of_plain_algebra(point: tuple[jax.Array, Fitted]) -> None:
    maps, fit = point
    found = about(fit, (1e-2, 1e-3), 8)
    assert found["nll_difference"].shape == (2, 4, 9)
    best = value_of(fit, maps)
    assert found.attrs["nll_again"] == pytest.approx(best, rel=1e-13)
    for scale, shifted, step in ((1e-2, "all", 4), (1e-3, "beta_pl", -3), (1e-2, "temp_dust", 2)):
        one = found.sel(scale=scale, shifted=shifted, step=step)
        there = moved(fit, shifted, scale * step)
        difference = value_of(there, maps) - best
        assert abs(difference) > 1e-3
        np.testing.assert_allclose(one["nll_difference"], difference, rtol=1e-5)
        slope = gradient_of(there, maps)
        for p in PARAMETERS:
            np.testing.assert_allclose(
                one["gradient_norm"].sel(parameter=p), np.linalg.norm(slope[p]), rtol=1e-9
            )


def test_differences_keep_digits_that_two_likelihoods_would_not(good: xr.Dataset) -> None:
    """Near the solution the difference is a parabola of some 1e-3, NLL itself 3e9."""
    line = good.sel(scale=1e-4, shifted="temp_dust")
    near_by = line["nll_difference"].sel(step=[-2, -1, 0, 1, 2]).values
    assert 0 < near_by[3] < 1e-3
    np.testing.assert_allclose(near_by[[0, 4]], 4 * near_by[[1, 3]], rtol=1e-2)
    assert near_by[2] == 0
    assert np.spacing(abs(good.attrs["nll"])) > 1e-4 * near_by[3]


def test_shifts_are_steps_to_both_sides_of_the_solution(good: xr.Dataset) -> None:
    assert dict(good["nll_difference"].sizes) == {"scale": 2, "shifted": 4, "step": 101}
    np.testing.assert_array_equal(good["step"], np.arange(-50, 51))
    np.testing.assert_allclose(good["shift"].sel(scale=1e-3), np.arange(-50, 51) * 1e-3, rtol=1e-12)
    assert tuple(good["shifted"].values) == ("all", *PARAMETERS)


def test_a_good_fit_is_lowest_at_zero_shift_and_certified(good: xr.Dataset) -> None:
    assert np.all(good["lowest_at"] == 0)
    assert np.all(good["nll_difference"].where(good["step"] != 0, 1.0) > 0)
    norms = good["gradient_norm"]
    assert np.all(norms.idxmin("step") == 0)
    checks = verdict(good)
    assert [check.holds for check in checks] == [True] * 8
    assert all("\n" not in check.text for check in checks)
    assert "recorded -" in checks[0].text
    assert "no cluster alone can go lower" in checks[-1].text


def test_a_fit_that_stopped_early_fails_where_it_should(bad: xr.Dataset) -> None:
    checks = {check.text.split(":")[0].split(",")[0]: check for check in verdict(bad)}
    assert checks["the likelihood made again has the recorded NLL"].holds
    assert checks["the solver met its tolerances"].holds is False
    assert checks["every gradient is small"].holds is False
    assert checks["no cluster alone can go lower in its box"].holds is None
    low = bad["lowest_at"]
    assert np.any(low != 0)
    for shifted in ("all", *PARAMETERS):
        where = "all parameters together" if shifted == "all" else f"{shifted} alone"
        check = checks[f"NLL is lowest at zero shift of {where}"]
        assert check.holds is bool(np.all(low.sel(shifted=shifted) == 0))
        assert ("lower by" in check.text) is not check.holds


def test_lowest_at_is_the_way_to_the_minimum(point: tuple[jax.Array, Fitted]) -> None:
    """The vertex of the parabola along a common shift of one parameter, to half a step."""
    maps, fit = point
    found = about(fit, (2e-3,), 200)
    slope, hessian = gradient_of(fit, maps)["beta_pl"], hessian_of(fit, maps)[-3:, -3:]
    vertex = -slope.sum() / hessian.sum()
    assert 0.002 < abs(vertex) < 0.19
    lowest = found["lowest_at"].sel(shifted="beta_pl").item()
    assert abs(lowest - vertex) < 1e-3 + 0.1 * abs(vertex)


def test_a_cluster_stays_at_the_end_of_its_box(point: tuple[jax.Array, Fitted]) -> None:
    """And what pushes outwards there is no gradient."""
    maps, fit = point
    slope = gradient_of(fit, maps)
    ends = {
        "low": {p: jnp.where(slope[p] > 0, v, v - 1.0) for p, v in fit.params.items()},
        "high": {p: jnp.where(slope[p] < 0, v, v + 1.0) for p, v in fit.params.items()},
    }
    held = replace(fit, **ends)
    found = about(held, (1e-3,), 4)
    assert np.all(found["gradient_norm"].sel(step=0) == 0)
    assert np.all(found["lowest_at"] == 0)
    for step in (-2, 2):
        there = value_of(moved(held, "all", step * 1e-3), maps) - value_of(held, maps)
        one = found["nll_difference"].sel(shifted="all", step=step).item()
        assert one == pytest.approx(there, rel=1e-5)
        assert one > 0


def test_the_noise_of_rounding_is_no_lower_minimum(point: tuple[jax.Array, Fitted]) -> None:
    """Where the data say nothing NLL is level, up to rounding."""
    _, fit = point
    silent = fit.rows._replace(data=1e-9 * fit.rows.data, power=fit.rows.power)
    assert np.all(about(replace(fit, rows=silent), (1e-3,), 20)["lowest_at"] == 0)


def test_single_precision_is_looked_at_in_double(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = small(*of_file(store.with_name("sky.npz")), "fit.precision=float32")
    assert build(single).maps((0,)).dtype == np.float32
    ds = sweep.open(store)
    monkeypatch.setattr(ExperimentView, "configuration", single)
    one = fitted(ExperimentView(ds, 1), 0)
    leaves = jax.tree.leaves((one.problem, one.rows, one.params, one.low, one.high))
    assert {str(v.dtype) for v in leaves} == {"float64", "int32"}
    found = perturbations(ds, 1, scales=(1e-2,), steps=2)
    assert found.attrs["nll_again"] == pytest.approx(found.attrs["nll"], rel=1e-5)


def test_another_likelihood_is_noticed(good: xr.Dataset) -> None:
    other = good.assign_attrs(nll=good.attrs["nll"] * (1 + 1e-9))
    assert verdict(other)[0].holds is False
    assert str(verdict(other)[0]).startswith("NO   the likelihood")
    lower = good.assign_attrs(scan_certified=0)
    assert verdict(lower)[-1].holds is False


def test_a_line_says_how_it_stands() -> None:
    assert [str(Check(holds, "a")) for holds in (True, False, None)] == [
        "yes  a",
        "NO   a",
        "-    a",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 5}, "steps = 5: must be even"),
        ({"steps": 0}, "steps = 0"),
        ({"scales": ()}, "scales"),
        ({"scales": (1e-3, 0.0)}, "must be positive"),
        ({"realisation": 7}, "realisation 7: not in the store; choose from 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(store: Path, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        perturbations(sweep.open(store), 0, **settings)
    assert "\n" not in str(caught.value)


def test_a_fit_without_parameters_cannot_be_looked_at(store: Path) -> None:
    ds = sweep.open(store)
    with pytest.raises(ConfigError, match="parameters were not kept"):
        perturbations(ds.drop_vars("beta_pl"), 0)
    failed = ds.assign(status=ds["status"].copy(data=np.full((2, 1), Status.NONFINITE, np.int8)))
    with pytest.raises(ConfigError, match="realisation 0 is nonfinite"):
        perturbations(failed, 0)


def test_the_command_says_it_and_draws_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: xr.Dataset
) -> None:
    labels = [v[:8] for v in sweep.open(store)["identity"].values]
    picture = tmp_path / "a.png"
    main(["optimum", str(store), labels[0][:6], "--output", str(picture)])
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"experiment {labels[0]}, realisation 0"
    assert all(line.startswith("yes  ") for line in out[1:9])
    assert [line.split(":")[0] for line in out[9:12]] == [f"error of {p}" for p in PARAMETERS]
    assert out[12:] == ["no check fails", f"written: {picture}"]
    assert picture.read_bytes().startswith(b"\x89PNG")

    main(["optimum", str(store), labels[1]])
    out = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("NO ") for line in out) == sum(
        check.holds is False for check in verdict(bad)
    )
    assert any(line.endswith("of 8 checks fail") for line in out)
    assert store.with_name(f"a-optimum-{labels[1]}.png").exists()


def test_the_command_refuses_what_is_not_there(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["optimum", str(store), "nothing"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("sweep-store: experiment 'nothing': not in the store")
